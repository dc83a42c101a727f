"""A job that stops before its end, by itself or from outside, leaves nothing behind."""

import json
import os
import signal

import pytest
from catalogue import write_config, write_manifest, write_tracks
from command_line import run, start, wait_until

# A job takes ten seconds to start and end, on a busy machine several times that.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]


@pytest.fixture
def job(tmp_path, model_8khz):
    """``job(*options)``: the command's arguments; its workers keep their files below ``work``."""
    manifest = write_manifest(tmp_path / "m.csv", write_tracks(tmp_path / "songs", 60))
    config = write_config(tmp_path / "job.yaml", workers={"work_folder": str(tmp_path / "work")})
    where = ("-o", tmp_path / "out", "-n", model_8khz, "--config", config)
    return lambda *options: ("separate", manifest, *where, *options)


@pytest.mark.parametrize("hours", ["1e-9", "0.003"])
def test_a_job_that_reached_a_limit_ends_without_a_word_of_ray(tmp_path, job, hours):
    code, told, errors = run(*job("--max-hours", hours, "--output", "json"))
    assert (code, errors) == (1, "")
    assert json.loads(told)["state"] == "stopped"
    assert not [*tmp_path.glob("work/*")]


def test_ctrl_c_on_a_terminal_reaches_all_processes_and_ends_the_job_in_order(tmp_path, job):
    with start(*job("--output", "json"), start_new_session=True) as process:
        wait_until(lambda: [*tmp_path.glob("out/results/*.parquet")])
        os.killpg(process.pid, signal.SIGINT)
        told, errors = process.communicate(timeout=40)
    assert (process.returncode, errors) == (75, "")
    assert json.loads(told)["state"] == "interrupted"


def test_a_home_folder_is_not_needed(job, monkeypatch):
    monkeypatch.setenv("HOME", "/proc/none")
    code, told, errors = run(*job("--limit", "2"))
    assert (code, errors) == (0, "")
    assert told.startswith("2 separated")
