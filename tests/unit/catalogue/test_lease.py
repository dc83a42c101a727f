import dataclasses
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from lossy_store import LossyStore

from latentsep.catalogue.lease import LEASE_KEY, Holder, Lease, LeaseRecord, read_lease
from latentsep.errors import LeaseHeldError, LedgerError, StoreError
from latentsep.storage import open_store

TTL_S = 0.9


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "out"))


def here():
    return Holder.of_this_process()


def elsewhere(**changes):
    return dataclasses.replace(here(), **{"host": "far-away", "pid": 7, **changes})


def leave(store, holder, ttl_s=TTL_S, state="held"):
    """A lease as a process leaves it that is killed."""
    record = LeaseRecord(
        state=state, holder=holder, session="gone", ttl_s=ttl_s, acquired_at=store.now()
    )
    store.write(LEASE_KEY, record.to_bytes())


def ended_process():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process.communicate(b"\n")
    return process.pid


class BrokenStore:
    """Every request fails while ``is_broken``."""

    def __init__(self, store):
        self._store = store
        self.is_broken = False

    def __getattr__(self, name):
        if self.is_broken and name not in ("uri", "uri_of"):
            raise StoreError("no connection", retryable=True)
        return getattr(self._store, name)


class HangingStore(BrokenStore):
    """A replacement hangs until ``released``."""

    released = threading.Event()

    def replace_if(self, key, data, etag):
        self.released.wait(20)
        raise StoreError("no reply", retryable=True)


def test_a_free_lease_is_taken_released_and_taken_again(store):
    for _ in range(2):
        with Lease.acquire(store, here(), TTL_S) as lease:
            assert read_lease(store).record.state == "held"
            assert not lease.lost.is_set()
        assert read_lease(store).record.state == "released"
        lease.release()


def test_a_held_lease_is_refused_with_its_holder(store):
    with Lease.acquire(store, elsewhere(command="latentsep"), TTL_S):
        started_s = time.monotonic()
        with pytest.raises(
            LeaseHeldError, match=r"far-away \(pid 7, latentsep, since 20"
        ) as caught:
            Lease.acquire(store, here(), TTL_S)
        # It shows life by its first renewal, after a third of its length.
        assert time.monotonic() - started_s < TTL_S
        assert store.uri in str(caught.value)


def test_a_lease_is_kept_beyond_its_length(store):
    with Lease.acquire(store, here(), TTL_S) as lease:
        time.sleep(2 * TTL_S)
        assert not lease.lost.is_set()
        assert read_lease(store).record.session == lease._record.session


def test_a_lease_that_is_not_renewed_is_taken_over_when_it_is_over_and_not_before(store):
    leave(store, elsewhere())
    started_s = time.monotonic()
    with Lease.acquire(store, here(), TTL_S):
        assert TTL_S - 0.05 <= time.monotonic() - started_s < TTL_S + 2


def test_an_expired_lease_is_taken_at_once(store):
    leave(store, elsewhere(), ttl_s=0.1)
    time.sleep(0.3)

    def no_sleep(pause_s):
        raise AssertionError(f"waits for {pause_s} s")

    Lease.acquire(store, here(), TTL_S, sleep=no_sleep).release()


def test_the_lease_of_a_process_that_ended_on_this_machine_is_taken_at_once(store):
    leave(store, dataclasses.replace(here(), pid=ended_process()), ttl_s=3600)
    Lease.acquire(store, here(), TTL_S).release()


def test_a_process_that_took_the_number_of_one_that_ended_is_another_one(store):
    earlier = here().process_start_ticks - 1
    leave(store, dataclasses.replace(here(), process_start_ticks=earlier), ttl_s=3600)
    Lease.acquire(store, here(), TTL_S).release()


@pytest.mark.parametrize("name", ["host", "boot_id", "pid_namespace"])
def test_only_a_process_of_the_same_machine_and_container_is_known_to_be_gone(name):
    gone = dataclasses.replace(here(), pid=ended_process())
    assert gone.is_gone
    assert not here().is_gone
    assert not dataclasses.replace(gone, **{name: "another"}).is_gone
    assert not dataclasses.replace(gone, boot_id="").is_gone


def test_a_zombie_is_gone():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    ticks = int(Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19])
    holder = dataclasses.replace(here(), pid=process.pid, process_start_ticks=ticks)
    assert not holder.is_gone
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert holder.is_gone
    process.communicate()


def test_of_eight_that_ask_at_once_one_gets_it(store):
    barrier, held, refused = threading.Barrier(8, timeout=60), [], []

    def ask():
        barrier.wait()
        try:
            held.append(Lease.acquire(store, here(), TTL_S))
        except LeaseHeldError:
            refused.append(1)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(held), len(refused)) == (1, 7)
    held[0].release()


def test_a_lease_taken_by_another_is_lost_and_not_released_from_under_it(store):
    lease = Lease.acquire(store, here(), TTL_S)
    leave(store, elsewhere())
    assert lease.lost.wait(TTL_S)
    lease.release()
    seen = read_lease(store)
    assert (seen.record.holder.host, seen.record.state) == ("far-away", "held")


def test_a_deleted_lease_is_made_again(store):
    with Lease.acquire(store, here(), TTL_S) as lease:
        store.delete([LEASE_KEY])
        time.sleep(TTL_S)
        assert read_lease(store).record.session == lease._record.session
        assert not lease.lost.is_set()


@pytest.mark.parametrize("fault", ["conflict", "lost before", "lost after", "late", "refused"])
def test_trouble_while_renewing_does_not_lose_the_lease(store, fault):
    lossy = LossyStore(store)
    with Lease.acquire(lossy, here(), TTL_S) as lease:
        lossy.faults = [fault] * 2
        time.sleep(1.5 * TTL_S)
        assert not lossy.faults
        assert not lease.lost.is_set()
    assert read_lease(store).record.state == "released"


@pytest.mark.parametrize("fault", ["conflict", "lost before", "lost after", "late"])
def test_trouble_while_asking_is_followed_up(store, fault):
    leave(store, elsewhere(), state="released")
    lossy = LossyStore(store, [fault] * 2)
    with Lease.acquire(lossy, here(), TTL_S) as lease:
        lossy.arrive()
        time.sleep(TTL_S / 2)
        assert not lease.lost.is_set()
        assert read_lease(store).record.holder == lease._record.holder


def test_a_store_that_is_away_for_longer_than_the_lease_loses_it(store):
    broken = BrokenStore(store)
    lease = Lease.acquire(broken, here(), TTL_S)
    broken.is_broken = True
    assert not lease.lost.wait(TTL_S / 2)
    assert lease.lost.wait(2 * TTL_S)
    lease.release()


def test_a_store_that_is_away_for_less_does_not(store):
    broken = BrokenStore(store)
    with Lease.acquire(broken, here(), TTL_S) as lease:
        broken.is_broken = True
        time.sleep(TTL_S / 2)
        broken.is_broken = False
        time.sleep(TTL_S)
        assert not lease.lost.is_set()


def test_a_request_that_hangs_does_not_hide_that_the_lease_is_over(store, monkeypatch):
    monkeypatch.setattr("latentsep.catalogue.lease.RELEASE_S", 0.1)
    hanging = HangingStore(store)
    lease = Lease.acquire(hanging, here(), TTL_S)
    assert lease.lost.wait(2 * TTL_S)
    started_s = time.monotonic()
    lease.release()
    assert time.monotonic() - started_s < 1
    hanging.released.set()


def test_a_lease_released_while_it_is_watched_is_taken(store):
    held = Lease.acquire(store, elsewhere(), 30)
    threading.Timer(0.3, held.release).start()
    with Lease.acquire(store, here(), TTL_S):
        assert read_lease(store).record.holder.host != "far-away"


@pytest.mark.parametrize("text", ["", "{}", '{"state": "held"}'])
def test_a_damaged_lease_is_named(store, text):
    store.write(LEASE_KEY, text.encode())
    with pytest.raises(LedgerError, match=r"lease\.json: is damaged; if no job works.*delete"):
        Lease.acquire(store, here(), TTL_S)
