import json
import shutil

import pytest

from latentsep.catalogue.manifest import read_manifest
from latentsep.cli import counting
from latentsep.storage import StoreSettings


@pytest.fixture
def folder(tmp_path, song):
    (tmp_path / "audio").mkdir()
    shutil.copy(song, tmp_path / "audio/a.wav")
    shutil.copy(song, tmp_path / "audio/b.wav")
    (tmp_path / "audio/broken.mp3").write_bytes(b"none")
    return tmp_path / "audio"


def test_a_folder_becomes_a_manifest(run, folder, tmp_path):
    out = tmp_path / "m.csv"
    code, told, errors = run("manifest", "build", folder, "-o", out)
    assert (code, errors) == (0, "")
    assert told == f"{out}: 3 tracks, 0.0 hours of audio, 1 of unknown length\n"
    assert read_manifest(str(out), StoreSettings())["duration_s"].to_pylist() == [0.5, 0.5, None]


def test_counts_are_told_as_json(run, folder, tmp_path):
    code, told, _ = run("manifest", "build", folder, "-o", tmp_path / "m.jsonl", "--output", "json")
    counts = json.loads(told)
    assert code == 0
    assert (counts["tracks"], counts["audio_s"], counts["unknown_durations"]) == (3, 1.0, 1)
    assert counts["bytes"] == sum(path.stat().st_size for path in folder.iterdir())


def test_a_name_that_no_job_can_use_is_told(run, folder, tmp_path):
    shutil.copy(folder / "a.wav", folder / "back\\slash.wav")
    code, told, errors = run("manifest", "build", folder, "-o", tmp_path / "m.csv")
    assert code == 2
    assert "4 tracks" in told
    assert "back%5Cslash.wav" in errors
    assert "1 problem: rename the files" in errors


def test_progress_goes_to_stderr(run, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(counting, "LINE_EVERY_S", 0.0)
    _, told, errors = run("manifest", "build", folder, "-o", tmp_path / "m.parquet")
    assert "3 audio files" in errors
    assert "audio files" not in told


def test_an_unknown_ending_is_refused_before_any_work(run, folder, tmp_path):
    code, _, errors = run("manifest", "build", folder, "-o", tmp_path / "m.xlsx")
    assert code == 2
    assert ".parquet" in errors


def test_a_missing_folder_is_a_line_and_exit_code_2(run, tmp_path):
    code, _, errors = run("manifest", "build", tmp_path / "gone", "-o", tmp_path / "m.csv")
    assert code == 2
    assert len(errors.splitlines()) == 1


def test_a_good_manifest_is_summed_up(run, tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("uri,duration,isrc\ns3://music/a.wav,3600,X\ns3://music/b.wav,,Y\n")
    code, told, errors = run("manifest", "check", path)
    assert (code, errors) == (0, "")
    assert "2 tracks, 1.0 hours of audio, 1 of unknown length" in told
    assert "columns: track_id, uri, duration_s, isrc" in told


@pytest.fixture
def bad(tmp_path):
    path = tmp_path / "m.csv"
    rows = "".join(f"a,gs://music/{number}.wav\n" for number in range(30))
    path.write_text(f"track_id,uri\n{rows}")
    return path


def test_every_problem_is_printed(run, bad):
    code, told, errors = run("manifest", "check", bad)
    assert code == 2
    assert sum("scheme 'gs'" in line for line in told.splitlines()) == 30
    assert "unique" in told
    assert f"{len(told.splitlines())} problem" in errors


def test_every_problem_is_in_the_json(run, bad):
    code, told, _ = run("manifest", "check", bad, "--output", "json")
    assert code == 2
    assert sum("scheme 'gs'" in line for line in json.loads(told)["problems"]) == 30


def test_a_terminal_does_not_act_on_what_a_manifest_holds(run, tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text(json.dumps({"uri": "s3://music/a.wav", "track_id": "\x1b[2Ja"}) + "\n")
    code, told, _ = run("manifest", "check", path)
    assert code == 2
    assert "\x1b" not in told


@pytest.mark.parametrize(
    ("name", "content"), [("m.csv", b""), ("m.parquet", b"PAR1"), ("m.jsonl", b"{")]
)
def test_what_cannot_be_read_is_exit_code_2(run, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    code, told, errors = run("manifest", "check", tmp_path / name)
    assert code == 2
    assert told + errors
