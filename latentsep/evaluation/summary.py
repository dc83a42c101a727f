"""Medians over songs, with how sure they are."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from latentsep.evaluation.scoring import SongScores, Values, metric_names

BOOTSTRAP_SEED = 0
RESAMPLES = 5_000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Median:
    """Median of one metric over the songs where it is defined.

    Attributes:
        low, high: ends of its 95 % interval; None for fewer than two songs, or where a score is
            infinite.
        songs: how many are in it.
        undefined: how many are not, since the metric is undefined for them.
    """

    median: float | None
    low: float | None
    high: float | None
    songs: int
    undefined: int


@dataclass(frozen=True)
class Summary:
    """One system over all songs.

    Attributes:
        medians: by name of the metric.
        realtime_factor: audio-seconds per second; None where it was not measured.
    """

    system: str
    medians: dict[str, Median]
    realtime_factor: float | None


def summarise(songs: Iterable[SongScores], realtime_factors: Mapping[str, float]) -> list[Summary]:
    """One row for each system, in order of appearance."""
    by_system: dict[str, list[Values]] = {}
    for song in songs:
        for score in song.scores:
            by_system.setdefault(score.system, []).append(score.values)
    return [
        Summary(
            system,
            {name: median_of([row[name] for row in rows]) for name in metric_names()},
            realtime_factors.get(system),
        )
        for system, rows in by_system.items()
    ]


def median_of(values: Sequence[float | None]) -> Median:
    """Median of what is defined, the rest counted."""
    defined = [value for value in values if value is not None]
    undefined = len(values) - len(defined)
    if not defined:
        return Median(None, None, None, 0, undefined)
    interval = median_interval(defined, np.random.default_rng(BOOTSTRAP_SEED))
    return Median(statistics.median(defined), *interval, len(defined), undefined)


def median_text(median: Median) -> str:
    """``median [low, high] of songs``, as far as there is something to say."""
    if median.median is None:
        return "-"
    known = median.low is not None and median.high is not None
    interval = f" [{median.low:.2f}, {median.high:.2f}]" if known else ""
    fewer = f" of {median.songs}" if median.undefined else ""
    return f"{median.median:.2f}{interval}{fewer}"


def median_interval(
    values: Sequence[float], rng: np.random.Generator
) -> tuple[float | None, float | None]:
    """Interval of the median by the bootstrap's percentiles (Efron & Tibshirani, 1993, §13).

    Songs are drawn anew, with replacement, ``RESAMPLES`` times. It says how the median would vary
    with other songs of the same kind, and nothing of songs of another kind; of a handful of songs
    it is too narrow.
    """
    if len(values) < 2 or not np.isfinite(values).all():
        return None, None
    draws = rng.integers(len(values), size=(RESAMPLES, len(values)))
    medians = np.median(np.asarray(values)[draws], axis=1)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(medians, [tail, 1 - tail])
    return float(low), float(high)
