"""The ledger and the lease between processes, on a real S3 server."""

import os
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import boto3
import pytest
from catalogue_rows import NO_REJECTS, reject_rows, result_rows
from s3_server import settings_for

from latentsep.catalogue.lease import Holder, Lease, read_lease
from latentsep.catalogue.ledger import Ledger, read_rejects, read_results
from latentsep.catalogue.run_identity import open_run
from latentsep.errors import LeaseHeldError, OtherRunError
from latentsep.storage import open_store

pytestmark = pytest.mark.integration
BUCKET = "ledgers"
HERE = Path(__file__).parent
TTL_S = 4.0


@pytest.fixture(scope="module")
def bucket(radosgw):
    client = boto3.client("s3", endpoint_url=radosgw.url, region_name="us-east-1")
    client.create_bucket(Bucket=BUCKET)
    client.close()
    return BUCKET


@pytest.fixture
def store(radosgw, bucket):
    return open_store(f"s3://{bucket}/{uuid.uuid4().hex}", settings_for(radosgw.url))


@contextmanager
def driver(store, *arguments):
    """A process of ``ledger_driver.py``, killed at the end."""
    path = os.pathsep.join([str(HERE.parent), str(HERE.parents[1])])
    process = subprocess.Popen(
        [sys.executable, HERE / "ledger_driver.py", store.uri, store.settings.endpoint_url,
         *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def go_on(process):
    process.stdin.write("\n")
    process.stdin.flush()


def attempts_in(store):
    return [
        (row["track_id"], row["attempt"])
        for part in read_results(store, ["track_id", "attempt"])
        for row in part.to_pylist()
    ]


def test_processes_that_race_commit_every_track_once_and_claim_what_is_there(store):
    ids = [f"track {number}" for number in range(30)]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(driver(store, "commit", f"w{n}", *ids[n * 7 :], *ids[: n * 7]))
            for n in range(3)
        ]
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * 3
        for process in processes:
            go_on(process)
        said = [process.communicate()[0] for process in processes]
        assert [process.returncode for process in processes] == [0] * 3
    rows = attempts_in(store)
    assert Counter(track_id for track_id, _ in rows) == Counter(ids)
    # Ids have a space in them, so claims are compared as text.
    for number, text in enumerate(said):
        own = [track_id for track_id, attempt in rows if attempt == f"w{number}"]
        assert Counter(text.split()) == Counter(" ".join(own).split())


def test_threads_that_race_commit_every_track_once(store):
    ids = [f"{number}" for number in range(40)]
    barrier = threading.Barrier(6)

    def drive(number):
        ledger, committed = Ledger(store, f"{number}"), 0
        ledger.load()
        barrier.wait()
        for start in range(0, 40, 10):
            batch = [ids[(start + number * 7 + step) % 40] for step in range(10)]
            done = ledger.commit(result_rows(*batch), reject_rows(*batch[:1]))
            committed += done.results
        return committed

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(drive, range(6))) == 40
    assert Counter(track_id for track_id, _ in attempts_in(store)) == Counter(ids)
    assert sum(part.num_rows for part in read_rejects(store)) == 0
    assert Ledger(store, "last").load().finished.num_rows == 40


def test_withdrawn_rows_are_gone_and_can_be_committed_again(store):
    ledger = Ledger(store, "a")
    ledger.commit(result_rows("x", "y", attempt="1"), NO_REJECTS)
    assert ledger.withdraw(["x"], "source changed") == 1
    ledger.commit(result_rows("x", attempt="2"), NO_REJECTS)
    assert sorted(attempts_in(store)) == [("x", "2"), ("y", "1")]


def test_of_many_that_start_two_runs_at_once_one_run_wins(store):
    def start(number):
        try:
            return open_run(store, {"steps": number % 2}, {})
        except OtherRunError:
            return None

    with ThreadPoolExecutor(8) as pool:
        run_ids = list(pool.map(start, range(8)))
    assert len(set(run_ids) - {None}) == 1
    assert run_ids.count(None) == 4


def test_a_lease_held_by_a_process_is_refused_until_it_is_released(store):
    with driver(store, "hold", "-", f"{TTL_S}") as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(LeaseHeldError, match=f"pid {process.pid}"):
            Lease.acquire(store, Holder.of_this_process(), TTL_S)
        go_on(process)
        assert process.wait(30) == 0
        started_s = time.monotonic()
        Lease.acquire(store, Holder.of_this_process(), 600).release()
        assert time.monotonic() - started_s < 3
    assert read_lease(store).record.state == "released"


def test_a_killed_holder_on_this_machine_is_followed_at_once(store):
    with driver(store, "hold", "-", "600") as process:
        assert process.stdout.readline() == "held\n"
        process.kill()
        process.wait()
        started_s = time.monotonic()
        Lease.acquire(store, Holder.of_this_process(), TTL_S).release()
        assert time.monotonic() - started_s < 3


def test_a_killed_holder_elsewhere_is_followed_when_its_lease_is_over(store):
    with driver(store, "hold", "far-away", f"{TTL_S}") as process:
        assert process.stdout.readline() == "held\n"
        process.kill()
        process.wait()
        started_s = time.monotonic()
        Lease.acquire(store, Holder.of_this_process(), TTL_S).release()
        # The server tells whole seconds.
        assert TTL_S - 2.5 <= time.monotonic() - started_s < TTL_S + 5


def test_a_lease_is_kept_beyond_its_length(store):
    with Lease.acquire(store, Holder.of_this_process(), TTL_S) as lease:
        time.sleep(1.5 * TTL_S)
        assert not lease.lost.is_set()
