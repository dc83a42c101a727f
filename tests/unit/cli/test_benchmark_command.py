import json

import numpy as np
import pytest
import soundfile
import yaml
from tiny_models import CONFIG, noise_waveform


def strict_json(text):
    """JSON as the standard has it: without NaN and infinities."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@pytest.fixture
def long_song(tmp_path):
    """Thirty seconds at the tiny model's rate."""
    path = tmp_path / "long.wav"
    soundfile.write(path, noise_waveform(0, 30 * 8_000).T, 8_000)
    return path


SPEED = ("benchmark", "separator", "--threads", "1", "--audio-seconds", "1", "--repeats", "1")


def test_every_combination_is_a_row_and_bfloat16_is_compared(run, model_folder):
    dials = ("--batch-chunks", "1", "--steps", "2", "--precision", "bfloat16,float32")
    code, told, errors = run(*SPEED, model_folder, *dials, "--no-refine", "--output", "json")
    assert (code, errors) == (0, "")
    exact, rough = strict_json(told)["rows"]
    assert (exact["precision"], exact["difference_db"], exact["nfe"]) == ("float32", None, 2)
    assert -90 < rough["difference_db"] < -25
    assert all(rough[name] > 0 for name in ("whole_x", "encode_x", "network_x", "decode_x"))


def test_speeds_are_told_as_a_table_and_so_is_what_cannot_be(run, tmp_path):
    file = tmp_path / "untrained.yaml"
    file.write_text(yaml.safe_dump({"model": CONFIG, "data": {}, "duration_s": 1}))
    code, told, errors = run(*SPEED, file, "--steps", "1,65")
    assert (code, errors) == (0, "")
    *_, head, row, impossible = told.splitlines()
    assert head.split()[:5] == ["model", "precision", "batch", "steps", "nfe"]
    assert row.split()[:5] == ["untrained.yaml", "float32", "1", "1", "1"]
    assert impossible.endswith("model 'tiny' can do 1..64 steps, got 65")


@pytest.mark.parametrize("dial", [("--steps", "1,x"), ("--precision", "float16")])
def test_a_list_with_a_wrong_value_is_refused(run, model_folder, dial):
    code, told, errors = run(*SPEED, model_folder, *dial)
    assert (code, told) == (2, "")
    assert dial[1].split(",")[-1] in errors


def test_a_model_that_is_nowhere_is_refused_before_anything_is_measured(run, model_folder):
    code, told, errors = run(*SPEED, model_folder, "nosuch")
    assert (code, told) == (2, "")
    assert "unknown model 'nosuch'" in errors


def test_seams_are_told_with_their_units(run, model_folder, long_song):
    code, told, errors = run("benchmark", "seams", long_song, "-n", model_folder, "--blend")
    assert (code, errors) == (0, "")
    lines = told.splitlines()
    assert sum(line.startswith("grid shifted by ") and ", dB " in line for line in lines) == 4
    assert sum(line.startswith("chunks of ") and ", dB " in line for line in lines) == 2
    assert sum(line.startswith("spectral flux at ") and ", % " in line for line in lines) == 1


def test_seams_of_silence_are_none(run, model_folder, tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros((30 * 8_000, 2)), 8_000)
    code, told, errors = run(
        "benchmark", "seams", tmp_path / "silence.wav", "-n", model_folder, "--output", "json"
    )
    assert (code, errors) == (0, "")
    assert set(strict_json(told).values()) == {None}


def test_a_song_that_is_not_there_is_one_line(run, model_folder):
    code, told, errors = run("benchmark", "seams", "gone.wav", "-n", model_folder)
    assert (code, told, errors) == (1, "", "Error: gone.wav: no such file\n")


@pytest.fixture
def true_songs(tmp_path):
    """Two songs of ten seconds with true stems; the voice rests for the first five."""
    for name in ("one", "two"):
        folder = tmp_path / "songs" / name
        folder.mkdir(parents=True)
        for seed, stem in enumerate(("vocals", "band")):
            noise = noise_waveform(seed, 10 * 8_000)
            if stem == "vocals":
                noise[:, : 5 * 8_000] = 0
            soundfile.write(folder / f"{stem}.wav", noise.T, 8_000)
    return tmp_path / "songs"


def test_songs_are_checked_one_a_line(run, model_folder, true_songs):
    code, told, errors = run("benchmark", "songs", true_songs, "-n", model_folder)
    assert (code, errors) == (0, "")
    head, one, two = told.splitlines()[-3:]
    assert head.split() == ["seconds", "finite", "borders", "flux", "elsewhere", "in", "silence"]
    assert one.split()[:3] == ["one", "10", "yes"]
    assert two.endswith(" dB")


def test_songs_are_checked_as_json_and_in_part(run, model_folder, true_songs):
    code, told, errors = run(
        *("benchmark", "songs", true_songs, "-n", model_folder),
        *("--excerpt", "2", "--output", "json"),
    )
    assert (code, errors) == (0, "")
    checks = strict_json(told)
    assert [check["song"] for check in checks] == ["one", "two"]
    assert all(check["passed"] and check["duration_s"] == 2 for check in checks)
    assert set(checks[0]) == {
        "song", "duration_s", "finite", "borders", "flux_percent", "elsewhere_percent",
        "in_silence_db", "passed",
    }  # fmt: skip


def test_a_song_with_something_wrong_ends_with_one(run, model_folder, true_songs, monkeypatch):
    monkeypatch.setattr("latentsep.evaluation.song_check.excess_percent", lambda *flux: 3.0)
    code, told, _ = run("benchmark", "songs", true_songs, "-n", model_folder)
    assert code == 1
    assert told.count("WRONG") == 2


def test_a_folder_without_songs_is_refused(run, model_folder, tmp_path):
    code, told, errors = run("benchmark", "songs", tmp_path, "-n", model_folder)
    assert (code, told) == (2, "")
    assert "no song found" in errors
