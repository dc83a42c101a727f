"""Bad files among good ones, bad places, odd names: what the command says and leaves behind."""

import json
import os
import re
import shutil

import numpy as np
import pytest
import soundfile
from command_line import files_in, run, run_json, start, stem_files

pytestmark = pytest.mark.integration


@pytest.fixture
def bad_files(tmp_path, write_song):
    """A folder of bad files with good ones between: names of the good, and of the bad."""
    folder = tmp_path / "music"
    good = [
        write_song("music/05-good.wav"),
        write_song("music/15-good.flac", 1.0, 48_000),
        write_song("music/25-good.ogg", 0.5, 22_050, 1),
    ]
    whole = {ext: write_song(f"whole.{ext}", 4.0).read_bytes() for ext in ("wav", "flac", "mp3")}
    nan = np.zeros((10_000, 2), np.float32)
    nan[9_999, 1] = np.nan
    soundfile.write(folder / "01-nan.wav", nan, 44_100, subtype="FLOAT")
    header = bytearray(whole["wav"])
    contents = {
        "02-text.mp3": b"These are words, not music.\n" * 1_000,
        "03-empty.wav": b"",
        "04-cut.wav": whole["wav"][: len(whole["wav"]) * 2 // 3],
        "06-cut.flac": whole["flac"][: len(whole["flac"]) * 2 // 3],
        "07-cut.mp3": whole["mp3"][: len(whole["mp3"]) * 2 // 3],
        # In a WAV header, bytes 22..24 are the channels, 24..28 the rate.
        "08-no-channels.wav": bytes(header[:22] + b"\0\0" + header[24:]),
        "09-absurd.wav": bytes(header[:22] + b"\xff\xff\xff\xff\xff\x7f" + header[28:]),
        "11-half-a-header.flac": whole["flac"][:20],
        "12-zeros.m4a": bytes(5_000),
        "13-closed.wav": whole["wav"],
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "13-closed.wav").chmod(0)
    (folder / "14-dangling.wav").symlink_to("nowhere.wav")
    os.mkfifo(folder / "16-pipe.wav")
    # No audio, and named like it: simply a folder with nothing in it.
    (folder / "17-folder.wav").mkdir()
    bad = [*contents, "01-nan.wav", "14-dangling.wav", "16-pipe.wav", "18-missing.wav"]
    return [path.stem for path in good], sorted(bad)


def test_bad_files_are_one_line_each_and_the_good_ones_are_separated(bad_files, model, tmp_path):
    good, bad = bad_files
    music, out = tmp_path / "music", tmp_path / "out"
    code, told, errors = run(
        "separate", music, music / "18-missing.wav", "-o", out, "-n", model, "--threads", 1,
        privileged=False,
    )  # fmt: skip
    assert code == 1
    lines = errors.splitlines()
    named = [re.fullmatch(rf"Error: {re.escape(str(music))}/(\S+): (.+)", line) for line in lines]
    assert all(named), errors
    reasons = dict(match.groups() for match in named)
    assert sorted(reasons) == bad
    assert len(lines) == len(bad)
    assert "Traceback" not in errors
    assert "unexpected" not in errors
    assert "died" not in errors
    assert "permission denied" in reasons["13-closed.wav"]
    assert "no such file" in reasons["18-missing.wav"]
    assert "NaN or infinite at frame 9999" in reasons["01-nan.wav"]
    assert "empty (0 bytes)" in reasons["03-empty.wav"]
    for name in ("04-cut.wav", "06-cut.flac", "07-cut.mp3"):
        assert "truncated" in reasons[name]
    assert f"{len(good)} separated, {len(bad)} failed, 0 skipped" in told
    assert files_in(out) == stem_files(*(f"tiny/{track}" for track in good))


def test_an_output_folder_without_permission_is_told_before_any_work(model, write_song, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    for out in (closed, closed / "below"):
        code, told, errors = run(
            "separate", write_song("a.wav"), "-o", out, "-n", model, privileged=False
        )
        assert (code, told) == (2, "")
        assert errors == (
            f"Error: output folder {out} cannot be written: Permission denied; "
            "take another with -o\n"
        )


def test_a_full_disk_is_one_line_and_leaves_nothing(model, write_song, small_disk):
    # Two stems of ten seconds of noise take more than 1 MiB.
    song = write_song("a.wav", 10.0)
    code, told, errors = run("separate", song, "-o", small_disk, "-n", model, "--threads", 1)
    assert code == 1
    assert re.fullmatch(
        rf"Error: {song}: {small_disk}/tiny/a/\w+\.flac: cannot be written: (?i:no space left).*\n",
        errors,
    )
    assert "0 separated, 1 failed" in told
    assert files_in(small_disk) == []


ODD_NAMES = [
    "spaces  in  a name", "quote's \"both\"", "line\nend", "日本語 ñ e\u0301", "[brackets] {stem}",
    "semi;colon & $HOME `x`", "%s %d", "back\\slash", "a" * 200, "\x1b[2Jescape", "...dots",
    os.fsdecode(b"caf\xe9"),
]  # fmt: skip


def test_odd_names_are_separated_and_told_on_one_line_each(model, write_song, tmp_path):
    for name in ODD_NAMES:
        if not name.startswith("."):
            shutil.copy(write_song("plain.wav"), tmp_path / f"{name}.wav")
    (tmp_path / "plain.wav").rename(tmp_path / "-x.wav")
    shutil.copy(tmp_path / "-x.wav", tmp_path / "...dots.wav")
    names = ["-x", *ODD_NAMES]
    code, told, errors = run(
        "separate", "-n", model, "-o", "out", "--threads", 1, "--", *(f"{n}.wav" for n in names),
        cwd=tmp_path,
    )  # fmt: skip
    assert (code, errors) == (0, "")
    assert len(told.splitlines()) == len(names) + 1
    assert "\x1b" not in told
    assert files_in(tmp_path / "out") == stem_files(*(f"tiny/{name}" for name in names))


def test_json_is_one_document_and_nothing_else_whatever_happens(model, write_song, tmp_path):
    song = write_song("line\nend ñ.wav")
    code, told, errors = run(
        "separate", song, "gone.wav", "-n", model, "-o", tmp_path / "out", "--threads", 1,
        "--output", "json",
    )  # fmt: skip
    assert (code, errors) == (1, "")
    summary = json.loads(told)
    assert [result["source"] for result in summary["tracks"]] == [str(song)]
    assert [reject["source"] for reject in summary["rejects"]] == ["gone.wav"]


def test_a_reader_that_leaves_early_gets_no_trace(model, write_song, tmp_path):
    songs = [write_song(f"{number}.wav") for number in range(3)]
    arguments = ["separate", *songs, "-n", model, "-o", tmp_path / "out", "--threads", 1]
    with start(*arguments) as process:
        first = process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
        process.wait(timeout=60)
    assert first.startswith(f"{songs[0]} -> ")
    assert errors == ""
    assert set(files_in(tmp_path / "out")) >= set(stem_files("tiny/0"))
    assert not [name for name in files_in(tmp_path / "out") if ".tmp" in name]


def test_the_same_base_names_in_two_folders_and_two_formats_all_survive(model, write_song):
    music = write_song("music/a/01.wav").parents[1]
    write_song("music/b/01.wav", seed=1)
    write_song("music/b/01.flac", seed=2)
    out = music.parent / "out"
    run_json(music, "-n", model, "-o", out, "--threads", 1)
    assert files_in(out) == stem_files("tiny/a/01", "tiny/b/01.flac", "tiny/b/01.wav")


def test_a_folder_can_take_its_own_stems(model, write_song, tmp_path):
    music = write_song("music/01.wav").parent
    for _ in range(2):
        for out in (music / "stems", music):
            arguments = [music, "-n", model, "-o", out, "--threads", 1, "--overwrite"]
            shutil.rmtree(out / "tiny", ignore_errors=True)
            assert len(run_json(*arguments)["tracks"]) == 1
            assert len(run_json(*arguments)["tracks"]) == 1
            assert files_in(out / "tiny") == stem_files("01")
            shutil.rmtree(out / "tiny")
