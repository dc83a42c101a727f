"""Signals in the middle of a long file, and what the next run finds."""

import signal

import psutil
import pytest
from command_line import files_in, pcm_of, run, start, stem_files, wait_until

pytestmark = pytest.mark.integration
LONG_S = 60.0


@pytest.fixture
def songs(write_song, tmp_path):
    """A short song and then a long one."""
    write_song("music/1-short.wav", 0.5)
    write_song("music/2-long.wav", LONG_S)
    return tmp_path / "music"


@pytest.fixture
def arguments(songs, model, tmp_path):
    return ["separate", songs, "-o", tmp_path / "out", "-n", model, "--threads", "1"]


def start_and_signal(arguments, out, sent):
    """Send the signal once some of the long song is written: code, stderr, files left then."""
    with start(*arguments) as process:
        wait_until(lambda: written_of_long(out) > 1_000_000)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(sent)
        _, errors = process.communicate(timeout=20)
    assert children
    psutil.wait_procs(children, timeout=10)
    assert [child for child in children if child.is_running()] == []
    return process.returncode, errors


def written_of_long(out):
    return sum(path.stat().st_size for path in (out / "tiny/2-long").glob(".latentsep-*"))


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_whole_tracks_only_and_can_be_gone_on_from(
    arguments, tmp_path, sent
):
    out = tmp_path / "out"
    code, errors = start_and_signal(arguments, out, sent)
    assert code == 75
    assert errors == ("Interrupted; run the same command with --skip-existing to go on.\n")
    assert files_in(out) == stem_files("tiny/1-short")
    code, told, errors = run(*arguments, "--skip-existing")
    assert (code, errors) == (0, "")
    assert "1 separated, 0 failed, 1 skipped" in told
    assert files_in(out) == stem_files("tiny/1-short", "tiny/2-long")


def test_a_kill_leaves_no_half_stem_and_the_next_run_succeeds(arguments, songs, tmp_path):
    out = tmp_path / "out"
    code, errors = start_and_signal(arguments, out, signal.SIGKILL)
    assert (code, errors) == (-signal.SIGKILL, "")
    visible = [name for name in files_in(out) if "/." not in name]
    assert visible == stem_files("tiny/1-short")
    code, told, errors = run(*arguments, "--skip-existing")
    assert (code, errors) == (0, "")
    assert "1 separated, 0 failed, 1 skipped" in told
    visible = [name for name in files_in(out) if "/." not in name]
    assert visible == stem_files("tiny/1-short", "tiny/2-long")
    mixture = pcm_of(songs / "2-long.wav")[0]
    total = sum(pcm_of(out / name)[0] for name in stem_files("tiny/2-long"))
    assert (total == mixture).all()
