import time
from itertools import islice

import pytest

from latentsep.pipeline.stream import ticking


def test_all_items_come_in_order_and_none_is_left_out():
    items = [item for item in ticking(iter(range(1000)), tick_s=5) if item is not None]
    assert items == list(range(1000))


def test_it_ticks_while_nothing_comes():
    def slow():
        yield "first"
        time.sleep(0.2)
        yield "second"

    got = list(ticking(slow(), tick_s=0.02))
    assert got[0] == "first"
    assert got[-1] == "second"
    assert got.count(None) >= 2


def test_the_items_before_an_error_come_first():
    def broken():
        yield 1
        yield 2
        raise LookupError("the end of it")

    stream = ticking(broken(), tick_s=5)
    assert [next(stream), next(stream)] == [1, 2]
    with pytest.raises(LookupError, match="the end of it"):
        next(stream)


def test_leaving_early_does_not_hang():
    assert list(islice(ticking(iter(range(10)), tick_s=5), 3)) == [0, 1, 2]
