"""Failures that need the whole job: dying workers, full and closed disks, a lost lease."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile
from catalogue import (
    RATE_HZ,
    reject_rows,
    result_rows,
    write_config,
    write_manifest,
    write_tracks,
)
from command_line import LONGEST_S, run, start, wait_until
from fault_server import FaultServer
from s3_server import credentials, settings_for
from workers import block_of, rows_of, worker_spec

from latentsep.catalogue.lease import LEASE_KEY
from latentsep.errors import ObjectChangedError
from latentsep.pipeline.worker import SeparatorWorker
from latentsep.storage import open_store

# A job takes ten seconds to start and end, on a busy machine several times that.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
TRACKS = 8
DEADLY_JOB = Path(__file__).with_name("deadly_job.py")


@pytest.fixture
def job(tmp_path, model_8khz):
    """``job(uris, out, **config)``: the arguments of a job over these tracks."""

    def arguments(uris, out=tmp_path / "out", **config):
        manifest = write_manifest(tmp_path / "m.csv", uris)
        file = write_config(tmp_path / "job.yaml", **config)
        return ("separate", manifest, "-o", out, "-n", model_8khz, "--config", file)

    return arguments


@pytest.fixture
def held_job(tmp_path, job, held):
    """``held_job(out=..., **config)``: of a job that does ``TRACKS`` tracks and waits for one."""

    def arguments(**given):
        uris = {**write_tracks(tmp_path / "songs", TRACKS), "held": held.uri}
        # Rows leave a worker block by block: none has to wait for the one that is held.
        return job(uris, storage=held.settings, workers={"tracks_per_block": 1}, **given)

    return arguments


def _committed(out):
    return len(result_rows(out))


def _stems_are_there(out):
    """Every row of the results has both stems, of the size it says."""
    for row in result_rows(out).values():
        for stem in ("vocals", "accompaniment"):
            path = Path(row[f"{stem}_stem_uri"].removeprefix("file://"))
            assert path.stat().st_size == row[f"{stem}_stem_bytes"]


def test_a_track_that_kills_its_worker_is_given_up_and_all_others_are_finished(
    tmp_path, model_8khz
):
    songs = write_tracks(tmp_path / "songs", 8)
    names = ["a", "once-1", "b", "kills-1", "c", "d", "e", "f"]
    manifest = write_manifest(
        tmp_path / "m.csv", dict(zip(names, songs.values(), strict=True)), year=range(8)
    )
    out = tmp_path / "out"
    work = tmp_path / "work"
    workers = {"tracks_per_block": 4, "work_folder": str(work)}
    config = write_config(tmp_path / "job.yaml", workers=workers)
    with config.open("a") as file:
        file.write(f"model: {model_8khz}\n")
    done = subprocess.run(
        [sys.executable, DEADLY_JOB, manifest, out, config],
        capture_output=True, text=True, timeout=LONGEST_S, check=False,
    )  # fmt: skip
    # Ray tells of the deaths too, and nothing of it gets among the job's own words.
    assert (done.returncode, done.stdout) == (0, "done"), done.stderr
    assert Counter((work / "deaths").read_text().split()) == {"kills-1": 3, "once-1": 1}
    assert sorted(result_rows(out)) == sorted(set(names) - {"kills-1"})
    _stems_are_there(out)
    (reject,) = reject_rows(out).values()
    assert (reject["track_id"], reject["error_class"]) == ("kills-1", "WorkerCrashedError")
    assert (reject["stage"], reject["retryable"]) == ("worker", False)
    assert "started 3 times" in reject["message"]
    assert reject["year"] == "3"


def test_a_results_folder_that_is_closed_ends_the_job_with_4_and_claims_nothing(
    tmp_path, held_job, held
):
    out = tmp_path / "out"
    with start(*held_job(), privileged=False) as process:
        wait_until(lambda: list((out / "results").glob("part-*")), process)
        (out / "results").chmod(0o555)
        held.release()
        told, errors = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 4, errors
    committed = _committed(out)
    assert 0 < committed <= TRACKS
    assert told == ""
    (line,) = errors.splitlines()
    assert re.match(r"Error: file://\S+/results/part-\d+\.parquet: cannot be written: ", line)
    assert "Permission denied" in line
    assert f"at least {committed} results and 0 rejects of this job are committed" in line
    _stems_are_there(out)
    status = json.loads((out / "status.json").read_text())
    assert (status["state"], status["finished"]) == ("failed", committed)
    assert json.loads((out / "lease.json").read_text())["state"] == "released"


def test_a_full_disk_under_the_output_ends_the_job_with_4_and_claims_nothing(
    small_disk, held_job, held
):
    out = small_disk / "out"
    # A lease that cannot be renewed would be another end.
    with start(*held_job(out=out, ledger={"lease_s": 3600.0})) as process:
        # From then on nothing is written, nor removed, which would make room again.
        wait_until(lambda: _told_as_finished(out) == TRACKS, process)
        _fill(small_disk)
        held.release()
        told, errors = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 4, errors
    assert told == ""
    assert "Traceback" not in errors
    line = errors.splitlines()[-1]
    assert re.match(r"Error: file://\S+/part-\d+\.parquet: cannot be written: ", line)
    assert "No space left" in line
    assert "this may pass by itself, run again later" in line
    assert _committed(out) == TRACKS
    assert f"at least {TRACKS} results" in line
    _stems_are_there(out)


def _told_as_finished(out):
    status = out / "status.json"
    return json.loads(status.read_text())["finished"] if status.exists() else 0


def _fill(disk):
    with (disk / "ballast").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass


def test_full_work_folders_and_closed_sources_are_rejects_and_the_job_goes_on(
    tmp_path, small_disk, job
):
    songs = write_tracks(tmp_path / "songs", 4)
    songs["closed"] = tmp_path / "closed.flac"
    songs["closed"].write_bytes(songs["track-000"].read_bytes())
    songs["closed"].chmod(0)
    # Two stems of two minutes of noise take more than 1 MiB.
    songs["long"] = tmp_path / "long.wav"
    noise = 0.1 * np.random.default_rng(0).standard_normal(120 * RATE_HZ, np.float32)
    soundfile.write(songs["long"], noise, RATE_HZ)
    # One after the other: a full disk is every track's that writes at this moment.
    workers = {"work_folder": str(small_disk), "tracks_per_block": 4, "tracks_in_flight": 1}
    arguments = job(songs, workers=workers)
    code, told, errors = run(*arguments, privileged=False)
    assert (code, errors) == (0, "")
    assert told.startswith("4 separated, 2 rejected")
    rejects = reject_rows(tmp_path / "out")
    found = {
        track_id: (row["error_class"], row["stage"], row["retryable"])
        for track_id, row in rejects.items()
    }
    assert found == {
        "closed": ("AccessDeniedError", "load", False), "long": ("AudioEncodeError", "store", True),
    }  # fmt: skip
    assert re.search("(?i)no space left", rejects["long"]["message"])


def test_a_source_too_large_for_the_work_folder_is_a_retryable_reject(
    tmp_path, small_disk, model_8khz
):
    with credentials(), FaultServer() as server:
        server.objects["/bkt/large.wav"] = os.urandom(3 * 2**20 + 7)
        server.objects["/bkt/small.flac"] = write_tracks(tmp_path, 1)["track-000"].read_bytes()
        spec = worker_spec(
            model_8khz, tmp_path / "out", small_disk, storage=settings_for(server.url)
        )
        worker = SeparatorWorker(spec)
        uris = {"large": "s3://bkt/large.wav", "small": "s3://bkt/small.flac"}
        results, rejects = rows_of(worker(block_of(uris)))
        worker.close()
    assert list(results) == ["small"]
    (reject,) = rejects.values()
    assert (reject["error_class"], reject["stage"]) == ("StoreError", "load")
    assert reject["retryable"]
    assert re.search(r"does not fit .*(?i:no space left).*work_folder", reject["message"])
    assert list(small_disk.iterdir()) == []


def test_a_job_that_loses_its_lease_commits_and_ends_with_3(tmp_path, held_job):
    out = tmp_path / "out"
    with start(*held_job()) as process:
        wait_until(lambda: list((out / "results").glob("part-*")), process)
        lease = _take_lease(out)
        status = (out / "status.json").read_text()
        told, errors = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 3, errors
    assert told == ""
    assert "Traceback" not in errors
    assert "the lease was lost in the middle" in errors.splitlines()[-1]
    committed = _committed(out)
    assert 0 < committed <= TRACKS
    _stems_are_there(out)
    # What belongs to the other job is left alone.
    assert json.loads((out / "lease.json").read_text()) == lease
    assert json.loads((out / "status.json").read_text())["job"] == json.loads(status)["job"]
    assert json.loads((out / "status.json").read_text())["state"] == "running"


def _take_lease(out):
    """As another job does it; what ``lease.json`` says then."""
    store = open_store(str(out))
    while True:
        etag = store.stat(LEASE_KEY).etag
        lease = json.loads(store.read(LEASE_KEY))
        lease["session"], lease["holder"]["host"] = "another", "elsewhere"
        # Unless it was renewed meanwhile.
        with suppress(ObjectChangedError):
            store.replace_if(LEASE_KEY, json.dumps(lease).encode(), etag)
            return lease
