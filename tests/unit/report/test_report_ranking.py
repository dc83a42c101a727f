import math

import numpy as np
import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from latentsep.report.measures import BLEED, VOCALS_SI_SDR
from latentsep.report.ranking import FINE_BINS, KEPT, KEPT_IN_BIN, Ranker, chosen_ranker

WIDTH = 60.0 / FINE_BINS
VALUES = st.lists(st.one_of(st.floats(-59.9, -0.1), st.sampled_from([-20.0, -10.0, math.nan])))


def ranked(values, measure=BLEED, parts=3, activity=None):
    """A ranker that was given tracks ``0000``, ``0001``... in parts."""
    ranker = Ranker(measure)
    activity = [1.0] * len(values) if activity is None else activity
    for number, rows in enumerate(np.array_split(np.arange(len(values)), parts)):
        ids = pa.chunked_array([[f"{row:04d}" for row in rows]], pa.string())
        mine = np.array([values[row] for row in rows], np.float64)
        sings = np.array([activity[row] for row in rows], np.float64)
        ranker.add(f"part {number}", ids, mine, sings)
    return ranker


def placed(ranker, place):
    return [one.track_id for where, one in ranker.placed() if where == place]


def naive(values, sign=1.0):
    """Ids of all tracks with a value, the best first."""
    order = sorted((sign * v, f"{row:04d}") for row, v in enumerate(values) if not math.isnan(v))
    return [track_id for _, track_id in order]


@given(VALUES, st.integers(1, 6))
def test_best_and_worst_are_those_of_the_whole_table(values, parts):
    ranker, order = ranked(values, parts=parts), naive(values)
    best, worst = min(KEPT, (len(order) + 2) // 3), min(KEPT, (len(order) + 1) // 3)
    assert placed(ranker, "best") == order[:best]
    assert placed(ranker, "worst") == order[len(order) - worst :]


@given(VALUES, st.integers(1, 6))
@example([-1.0] * 9, 1)
@example([-1.0] * 99, 2)
def test_median_tracks_lie_as_near_to_the_median_as_any_to_a_bin(values, parts):
    ranker, order = ranked(values, parts=parts), naive(values)
    median = placed(ranker, "median")
    taken = {*placed(ranker, "best"), *placed(ranker, "worst")}
    assert len(median) == min(KEPT, len(order) // 3)
    assert not taken & set(median)
    if not median:
        return
    exact = np.quantile([v for v in values if not math.isnan(v)], 0.5, method="inverted_cdf")
    far = [abs(values[int(track_id)] - exact) for track_id in order if track_id not in taken]
    nearest = sorted(far)[: len(median)]
    found = sorted(abs(values[int(track_id)] - exact) for track_id in median)
    assert all(mine <= best + 3 * WIDTH for mine, best in zip(found, nearest, strict=True))


def test_a_higher_si_sdr_is_better():
    ranker = ranked([1.0, 9.0, 5.0], VOCALS_SI_SDR)
    assert [one.track_id for _, one in ranker.placed()] == ["0001", "0002", "0000"]
    assert [place for place, _ in ranker.placed()] == ["best", "median", "worst"]


def test_a_track_knows_the_part_of_its_row():
    assert {one.track_id: one.part for _, one in ranked([-3.0, -2.0, -1.0]).placed()} == {
        "0000": "part 0", "0001": "part 1", "0002": "part 2",
    }  # fmt: skip


def test_tracks_without_singing_are_not_ranked_and_those_of_unknown_activity_are():
    ranker = ranked([-60.0, -50.0, -3.0], activity=[0.0, math.nan, 0.9])
    assert sorted(one.track_id for _, one in ranker.placed()) == ["0001", "0002"]


def test_memory_does_not_grow_with_tracks():
    ranker = Ranker(BLEED)
    ids = pa.chunked_array([[f"{row:05d}" for row in range(10_000)]], pa.string())
    random = np.random.default_rng(0)
    for number in range(20):
        ranker.add(str(number), ids, random.uniform(-60, 0, 10_000), np.ones(10_000))
    assert len(ranker._by_bin) <= KEPT_IN_BIN * FINE_BINS
    assert ranker.tracks == 200_000


def test_references_decide_where_enough_tracks_have_them():
    few, many = ranked([1.0] * 3, VOCALS_SI_SDR), ranked([-1.0] * 30)
    assert chosen_ranker(few, many) is many
    assert chosen_ranker(few, ranked([-1.0] * 3)) is few
    assert chosen_ranker(few, ranked([])) is few
    assert chosen_ranker(ranked([], VOCALS_SI_SDR), ranked([])) is None
