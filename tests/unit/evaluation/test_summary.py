import math

import numpy as np
import pytest

from latentsep.evaluation.scoring import Score, SongScores, metric_names
from latentsep.evaluation.summary import Median, median_interval, median_of, summarise


def _song(name, **systems):
    scores = [
        Score(system, dict.fromkeys(metric_names(), value), 1, 0)
        for system, value in systems.items()
    ]
    return SongScores(name, 1.0, None, 0.0, scores)


def test_medians_leave_out_the_undefined_and_count_them():
    songs = [_song("x", a=1.0, b=None), _song("y", a=5.0, b=None), _song("z", a=None, b=None)]
    first, second = summarise(songs, {"a": 80.0})
    assert (first.system, first.realtime_factor) == ("a", 80.0)
    assert (second.system, second.realtime_factor) == ("b", None)
    for name in metric_names():
        assert (first.medians[name].median, first.medians[name].undefined) == (3.0, 1)
        assert first.medians[name].songs == 2
        assert second.medians[name] == Median(None, None, None, 0, 3)


def test_no_scores_have_no_medians():
    assert summarise([], {}) == []


def test_the_interval_is_the_same_each_time_and_holds_the_median():
    values = list(np.random.default_rng(0).normal(5, 2, 50))
    found = median_of(values)
    assert found == median_of(values)
    assert found.low < found.median < found.high


def test_the_interval_holds_the_true_median_about_as_often_as_it_says():
    hits = 0
    for seed in range(200):
        rng = np.random.default_rng([1, seed])
        low, high = median_interval(list(rng.normal(5, 2, 30)), rng)
        hits += low <= 5 <= high
    assert 180 <= hits <= 199


def test_the_interval_narrows_with_the_root_of_the_songs():
    widths = []
    for songs in (25, 400):
        rng = np.random.default_rng(0)
        low, high = median_interval(list(rng.normal(0, 1, songs)), rng)
        widths.append(high - low)
    assert 2.5 < widths[0] / widths[1] < 6.5


@pytest.mark.parametrize("values", [[3.0], [1.0, math.inf]])
def test_one_song_or_an_infinite_score_has_no_interval(values):
    found = median_of(values)
    assert (found.low, found.high) == (None, None)
    assert found.songs == len(values)
