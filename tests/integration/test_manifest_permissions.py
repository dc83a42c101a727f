"""What a user without rights is told; root gives its own up for these."""

import pytest
from command_line import run

pytestmark = pytest.mark.integration


def test_a_manifest_that_may_not_be_read_is_exit_code_2(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("uri\ns3://music/a.wav\n")
    path.chmod(0)
    code, told, errors = run("manifest", "check", path, privileged=False)
    assert (code, told) == (2, "")
    assert "Permission denied" in errors
    assert "m.csv" in errors


def test_audio_that_may_not_be_read_is_listed_without_a_length(tmp_path, write_song):
    write_song("audio/a.wav")
    write_song("audio/b.wav").chmod(0)
    build = ("manifest", "build", tmp_path / "audio", "-o", tmp_path / "m.csv")
    code, told, errors = run(*build, privileged=False)
    assert (code, errors) == (0, "")
    assert "2 tracks" in told
    assert "1 of unknown length" in told


def test_a_folder_that_may_not_be_listed_is_named(tmp_path, write_song):
    write_song("audio/closed/a.wav")
    (tmp_path / "audio/closed").chmod(0)
    build = ("manifest", "build", tmp_path / "audio", "-o", tmp_path / "m.csv")
    code, _, errors = run(*build, privileged=False)
    (tmp_path / "audio/closed").chmod(0o700)
    assert code != 0
    assert "Permission denied" in errors
    assert not (tmp_path / "m.csv").exists()


def test_a_manifest_that_may_not_be_written_is_named(tmp_path, write_song):
    write_song("audio/a.wav")
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed").chmod(0o500)
    build = ("manifest", "build", tmp_path / "audio", "-o", tmp_path / "closed/m.csv")
    code, _, errors = run(*build, privileged=False)
    assert code != 0
    assert "Permission denied" in errors
