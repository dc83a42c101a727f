import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentsep.report.document import Measure
from latentsep.report.histogram import BINS, QUANTILES, Histogram

MEASURE = Measure("x", "X", "dB", "Something.", -60.0, 0.0)
WIDTH = 60.0 / BINS
INSIDE = st.floats(-60.0, 0.0)
ANY = st.one_of(INSIDE, st.floats(allow_nan=True, allow_infinity=True))


def counted(*blocks):
    histogram = Histogram(MEASURE)
    for block in blocks:
        histogram.add(np.array(block, np.float64))
    return histogram


@given(st.lists(st.lists(ANY, max_size=20), max_size=5))
def test_every_value_is_counted_once_or_undefined_however_they_are_cut(blocks):
    values = [value for block in blocks for value in block]
    histogram = counted(*blocks)
    finite = [value for value in values if math.isfinite(value)]
    assert histogram.total == len(finite)
    assert histogram.undefined == len(values) - len(finite)
    assert histogram.counts.tolist() == counted(values).counts.tolist()


@given(st.lists(INSIDE, min_size=1, max_size=200))
def test_counts_are_those_of_numpy(values):
    edges_off = [value for value in values if not float((value + 60) / WIDTH).is_integer()]
    expected, _ = np.histogram(edges_off, BINS, (-60.0, 0.0))
    assert counted(edges_off).counts.tolist() == expected.tolist()


@given(st.lists(INSIDE, min_size=1, max_size=200))
def test_quantiles_are_exact_to_the_width_of_a_bin(values):
    exact = np.quantile(values, QUANTILES, method="inverted_cdf")
    assert counted(values).distribution().quantiles == pytest.approx(exact, abs=WIDTH + 1e-9)


@given(INSIDE, st.integers(1, 30))
def test_equal_values_have_that_value_as_every_quantile(value, tracks):
    assert set(counted([value] * tracks).distribution().quantiles) == {value}


def test_what_lies_outside_counts_at_the_ends():
    counts = counted([-1e300, -61.0, 0.0, 5.0, 1e300]).distribution().counts
    assert (counts[0], counts[-1], sum(counts)) == (2, 3, 5)


def test_without_a_value_there_are_no_quantiles():
    distribution = counted([math.nan, math.inf]).distribution()
    assert (distribution.quantiles, distribution.tracks, distribution.undefined) == (None, 0, 2)
    with pytest.raises(ValueError, match="no value was counted"):
        counted([]).quantile(0.5)
