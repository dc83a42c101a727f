"""The benchmarks of the job run, at the size of a test."""

import json

import pytest
from command_line import run

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


def test_the_engine_is_measured_without_audio():
    code, told, errors = run("benchmark", "engine", "--tracks", "60", "--output", "json")
    assert (code, errors) == (0, "")
    report = json.loads(told)
    assert report["tracks"] == 60
    assert report["per_track_ms"] > 0
    assert report["driver_peak_bytes"] > report["driver_start_bytes"] > 0
    assert 0 < report["resume_plan_s"] < 10


def test_the_job_is_measured_against_the_bare_separator_and_separate_stages(
    write_song, tmp_path, model_8khz
):
    for number in range(2):
        write_song(f"songs/{number}.wav", 20.0, rate_hz=8_000, seed=number)
    code, told, errors = run(
        "benchmark", "job", tmp_path / "songs", "-n", model_8khz, "--threads", "1",
        "--rounds", "1", "--output", "json", timeout_s=220,
    )  # fmt: skip
    assert (code, errors) == (0, "")
    report = json.loads(told)
    assert report["audio_s"] == pytest.approx(40.0)
    speeds = [report[name] for name in ("bare_x", "worker_x", "job_x", "staged_x")]
    assert all(speed > 0 for speed in speeds)
    assert 0 < report["device_busy_share"] <= 1
    assert report["load_cpu"] > 0
    assert report["store_cpu"] > 0


def test_what_metrics_take_of_a_job_is_measured_and_is_below_one_percent(
    write_song, tmp_path, model_8khz
):
    for number in range(3):
        write_song(f"songs/{number}.wav", 5.0, rate_hz=8_000, seed=number)
    code, told, errors = run(
        "benchmark", "metrics", tmp_path / "songs", "-n", model_8khz, "--threads", "1",
        "--output", "json", timeout_s=220,
    )  # fmt: skip
    assert (code, errors) == (0, "")
    report = json.loads(told)
    assert report["tracks"] == 3
    # Five calls a batch and the set-up of each; the driver's start, a scrape or commit.
    assert report["workers calls"] >= 5
    assert report["driver calls"] >= 3
    assert 0 < report["share"] < 0.01
