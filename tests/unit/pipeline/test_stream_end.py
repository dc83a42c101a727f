"""How the stream of outcomes ends while the cluster could still go on."""

import itertools
import subprocess
import sys
import threading

from latentsep.pipeline.stream import AHEAD, ticking

LEAVES_A_FULL_QUEUE = """
import itertools, time
from latentsep.pipeline.stream import ticking
stream = ticking(itertools.count(), tick_s=5)
next(stream)
time.sleep(0.5)
stream.close()
"""


def test_leaving_a_full_queue_does_not_keep_the_process_alive():
    subprocess.run([sys.executable, "-c", LEAVES_A_FULL_QUEUE], timeout=60, check=True)


def test_what_came_before_the_stop_is_given_out_and_nothing_is_waited_for():
    is_full = threading.Event()
    never = threading.Event()

    def tables():
        yield from range(10)
        is_full.set()
        never.wait(60)
        yield "too late"

    enough = []
    stream = ticking(tables(), tick_s=60, is_enough=lambda: bool(enough))
    got = [next(stream)]
    assert is_full.wait(10)
    enough.append(True)
    got += list(stream)
    never.set()
    assert got == list(range(10))


def test_after_the_stop_no_more_than_a_queue_comes():
    enough = []
    stream = ticking(itertools.count(), tick_s=60, is_enough=lambda: bool(enough))
    first = next(stream)
    enough.append(True)
    rest = list(stream)
    assert [first, *rest] == list(range(len(rest) + 1))
    assert len(rest) <= AHEAD + 1
