import json

import numpy as np
import pytest
import soundfile
from tiny_models import noise_waveform


def strict_json(text):
    """JSON as the standard has it: without NaN and infinities."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@pytest.fixture
def long_song(tmp_path):
    """Thirty seconds at the tiny model's rate."""
    path = tmp_path / "long.wav"
    soundfile.write(path, noise_waveform(0, 30 * 8_000).T, 8_000)
    return path


SPEED = ("benchmark", "speed", "--threads", "1", "--length", "10", "--repeats", "1")


def test_speed_is_told_for_the_whole_and_its_parts(run, model_folder):
    code, told, errors = run(*SPEED, "-n", model_folder, "--no-refine", "--output", "json")
    assert (code, errors) == (0, "")
    report = strict_json(told)
    assert report["audio_s"] == 10
    assert all(report[name] > 0 for name in ("whole_x", "encode_x", "network_x", "decode_x"))


def test_speed_is_told_a_line_for_each_figure(run, model_folder):
    code, told, errors = run(*SPEED, "-n", model_folder)
    assert (code, errors) == (0, "")
    assert {"whole_x", "load_s", "threads"} <= {line.split()[0] for line in told.splitlines()}


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
