"""A job that stops before its end, by itself or from outside, leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys

import pytest
from catalogue import write_config, write_manifest, write_tracks
from command_line import LONGEST_S, run, start, wait_until

# A job takes ten seconds to start and end, on a busy machine several times that.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


@pytest.fixture
def job(tmp_path, model_8khz, held):
    """``job(uris, *options)``: the command's arguments; its workers keep files below ``work``."""

    def arguments(uris, *options):
        manifest = write_manifest(tmp_path / "m.csv", uris)
        workers = {"work_folder": str(tmp_path / "work")}
        config = write_config(tmp_path / "job.yaml", workers=workers, storage=held.settings)
        where = ("-o", tmp_path / "out", "-n", model_8khz, "--config", config)
        return ("separate", manifest, *where, *options)

    return arguments


@pytest.fixture
def endless(tmp_path, held):
    """Tracks of which one never comes: what ends the job is never their end."""
    return {**write_tracks(tmp_path / "songs", 24), "held": held.uri}


def nothing_is_left(folder):
    """Workers end shortly after the job; then their files go."""
    wait_until(lambda: not [*folder.iterdir()])
    return True


@pytest.mark.parametrize("hours", ["1e-9", "0.003"])
def test_a_job_that_reached_a_limit_ends_without_a_word_of_ray(tmp_path, job, endless, hours):
    (tmp_path / "work").mkdir()
    code, told, errors = run(*job(endless, "--max-hours", hours, "--output", "json"))
    assert (code, errors) == (1, "")
    assert json.loads(told)["state"] == "stopped"
    assert nothing_is_left(tmp_path / "work")


def test_a_limit_that_is_reached_in_the_middle_of_a_track_leaves_nothing(tmp_path, job, held):
    gone = {f"gone-{number}": tmp_path / f"gone-{number}.wav" for number in range(200)}
    uris = {"held": held.uri, **gone}
    code, told, errors = run(*job(uris, "--max-reject-share", "0", "--output", "json"))
    assert (code, errors) == (1, "")
    assert json.loads(told)["state"] == "stopped"
    assert held.is_asked_for
    assert nothing_is_left(tmp_path / "work")


def test_ctrl_c_on_a_terminal_reaches_all_processes_and_ends_the_job_in_order(
    tmp_path, job, endless
):
    with start(*job(endless, "--output", "json"), start_new_session=True) as process:
        wait_until(lambda: [*tmp_path.glob("out/results/*.parquet")], process)
        os.killpg(process.pid, signal.SIGINT)
        told, errors = process.communicate(timeout=LONGEST_S)
    assert (process.returncode, errors) == (75, "")
    assert json.loads(told)["state"] == "interrupted"
    assert nothing_is_left(tmp_path / "work")


LEAVING = """
import time

import ray
from ray._private.utils import publish_error_to_driver

from latentsep.pipeline.cluster import cluster
from latentsep.pipeline.job_config import WorkerConfig

with cluster(None, WorkerConfig(count=1, cpus=1), is_leaving=lambda: True):
    pass
told = ray._private.worker.global_worker.gcs_client
publish_error_to_driver("worker", "a task failed", gcs_client=told)
time.sleep(3)
print("ours")
"""


def test_what_ray_says_after_a_job_has_left_it_stays_off_stdout():
    """Seen: its word on a dying worker before the JSON of an interrupted job."""
    command = [sys.executable, "-c", LEAVING]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, check=True)
    assert done.stdout == "ours\n"


def test_a_home_folder_is_not_needed(tmp_path, job, monkeypatch):
    monkeypatch.setenv("HOME", "/proc/none")
    code, told, errors = run(*job(write_tracks(tmp_path / "songs", 2)))
    assert (code, errors) == (0, "")
    assert told.startswith("2 separated")
