import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from latentsep.monitoring.definitions import BLEED, REJECTS, TRACKS_PLANNED
from latentsep.monitoring.values import MetricValues

anything = st.floats(allow_nan=True, allow_infinity=True, width=32)


@given(st.lists(st.lists(anything)))
def test_a_histogram_counts_what_lies_at_or_below_each_bound(columns):
    values = MetricValues()
    for column in [[], *columns]:
        values.observe_all(BLEED, np.array(column, np.float64))
    seen = [value for column in columns for value in column if np.isfinite(value)]
    histogram = values.histograms(BLEED)[()]
    assert histogram.cumulative == [
        (bound, sum(value <= bound for value in seen)) for bound in (*BLEED.buckets, float("inf"))
    ]
    assert np.isclose(histogram.total, sum(seen))


def test_a_value_that_is_not_known_is_absent():
    values = MetricValues()
    values.set(TRACKS_PLANNED, None)
    assert values.numbers(TRACKS_PLANNED) == {}
    values.set(TRACKS_PLANNED, 3)
    assert values.numbers(TRACKS_PLANNED) == {(): 3}
    values.set(TRACKS_PLANNED, None)
    assert values.numbers(TRACKS_PLANNED) == {}


def test_a_counter_exists_from_its_first_zero():
    values = MetricValues()
    values.count(REJECTS, 0, "load", "other")
    values.count(REJECTS, 2, "load", "other")
    values.count(REJECTS, 1, "store", "other")
    assert values.numbers(REJECTS) == {("load", "other"): 2, ("store", "other"): 1}


def test_nothing_changes_while_somebody_looks_at_all_of_it():
    values = MetricValues()
    with values.at_once():
        other = threading.Thread(target=lambda: values.set(TRACKS_PLANNED, 1))
        other.start()
        other.join(0.1)
        assert other.is_alive()
        assert values.numbers(TRACKS_PLANNED) == {}
    other.join(10)
    assert values.numbers(TRACKS_PLANNED) == {(): 1}
