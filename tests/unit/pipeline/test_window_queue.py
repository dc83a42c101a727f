import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from latentsep.pipeline import window_queue
from latentsep.pipeline.window_queue import WindowQueue


class Doubling:
    """Doubles numbers, remembers its batches, and can be held up."""

    def __init__(self, batch_items=4):
        self.batch_items = batch_items
        self.batches = []
        self.may_go = threading.Event()
        self.may_go.set()

    def run(self, items):
        self.may_go.wait(10)
        self.batches.append(list(items))
        if -13 in items:
            raise ValueError("no thirteen")
        return [2 * item for item in items]


def test_every_producer_gets_its_own_outcomes_in_order():
    work = Doubling(batch_items=3)
    with WindowQueue(work) as queue:

        def produce(start):
            with queue.producing():
                futures = [queue.submit(start + number) for number in range(20)]
                return [queue.wait(future) for future in futures]

        with ThreadPoolExecutor(5) as pool:
            got = list(pool.map(produce, range(0, 500, 100)))
    assert got == [[2 * (start + n) for n in range(20)] for start in range(0, 500, 100)]
    assert sum(map(len, work.batches)) == queue.items == 100
    assert len(work.batches) == queue.batches
    assert max(map(len, work.batches)) == 3


def test_batches_of_several_producers_are_full():
    work = Doubling(batch_items=4)
    with WindowQueue(work) as queue:
        both_there = threading.Barrier(2, timeout=60)

        def produce(start):
            with queue.producing():
                both_there.wait()
                futures = [queue.submit(start + number) for number in range(2)]
                return [queue.wait(future) for future in futures]

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(produce, (0, 10)))
    assert [len(batch) for batch in work.batches] == [4]


def test_a_short_batch_goes_at_once_when_nobody_can_add_to_it(monkeypatch):
    monkeypatch.setattr(window_queue, "FILL_WAIT_S", 60.0)
    work = Doubling(batch_items=100)
    with WindowQueue(work) as queue, queue.producing():
        assert queue.wait(queue.submit(1)) == 2


def test_a_short_batch_does_not_wait_for_a_stuck_producer(monkeypatch):
    monkeypatch.setattr(window_queue, "FILL_WAIT_S", 0.05)
    work = Doubling(batch_items=100)
    with WindowQueue(work) as queue, queue.producing():
        stuck = threading.Event()

        def be_stuck():
            with queue.producing():
                stuck.wait(30)

        thread = threading.Thread(target=be_stuck)
        thread.start()
        began_s = time.monotonic()
        assert queue.wait(queue.submit(1)) == 2
        assert time.monotonic() - began_s < 10
        stuck.set()
        thread.join()


def test_an_error_reaches_everyone_in_its_batch_and_nobody_else():
    work = Doubling(batch_items=2)
    with WindowQueue(work) as queue:
        work.may_go.clear()
        first = queue.submit(1)
        time.sleep(0.05)  # the first batch is on its way alone, the rest queues up behind it
        others = [queue.submit(item) for item in (-13, 2, 3, 4)]
        work.may_go.set()
        assert first.result(10) == 2
        for future in others[:2]:
            with pytest.raises(ValueError, match="no thirteen"):
                future.result(10)
        assert [future.result(10) for future in others[2:]] == [6, 8]


def test_closing_runs_what_is_pending():
    work = Doubling(batch_items=2)
    queue = WindowQueue(work)
    work.may_go.clear()
    futures = [queue.submit(item) for item in range(5)]
    work.may_go.set()
    queue.close()
    assert [future.result(0) for future in futures] == [0, 2, 4, 6, 8]


def test_the_batch_size_may_change_while_it_runs():
    work = Doubling(batch_items=4)
    with WindowQueue(work) as queue:
        work.may_go.clear()
        futures = [queue.submit(item) for item in range(9)]
        work.batch_items = 2
        work.may_go.set()
        assert [future.result(10) for future in futures] == [2 * item for item in range(9)]
    assert all(len(batch) <= 2 for batch in work.batches[1:])
