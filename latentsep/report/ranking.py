"""The tracks to listen to: best, median and worst, found in one pass and bounded memory."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from latentsep.report.document import Measure
from latentsep.report.histogram import Histogram, Values

KEPT = 5
"""Tracks of each place."""
KEPT_IN_BIN = 3 * KEPT
"""Enough for the median place, should the tracks of the others be of the same bin."""
FINE_BINS = 2_000
"""The median tracks are those of the middle bin and its neighbours: 0.03 dB wide for the bleed."""
LEAST_VOCAL_ACTIVITY = 0.1
"""A track with less singing says little of how well the singing was separated."""


class Candidate(NamedTuple):
    """A track by the order it is ranked in: the better first, equal ones by their id.

    Attributes:
        badness: the measure, turned so that lower is better.
        track_id: whose.
        part: key of the part that has its row.
    """

    badness: float
    track_id: str
    part: str


class Ranker:
    """Ranks tracks by one measure, part after part."""

    def __init__(self, measure: Measure) -> None:
        self.measure = measure
        self._sign = -1.0 if measure.better == "high" else 1.0
        self._best: list[Candidate] = []
        self._worst: list[Candidate] = []
        self._by_bin: list[Candidate] = []
        self._kept_in_bin = np.zeros(FINE_BINS, np.int64)
        self._values = Histogram(measure, FINE_BINS)

    @property
    def tracks(self) -> int:
        """How many can be ranked."""
        return self._values.total

    def add(self, part: str, ids: pa.ChunkedArray, values: Values, activity: Values) -> None:
        """Rank the rows of a part.

        Args:
            part: its key.
            ids: of its tracks.
            values: of the measure, by row; NaN where there is none.
            activity: vocal activity by row; NaN where it is not known.
        """
        sings = ~(activity < LEAST_VOCAL_ACTIVITY)
        rows = np.flatnonzero(np.isfinite(values) & sings)
        badness = self._sign * values[rows]
        self._values.add(values[rows])

        def candidates(chosen: npt.NDArray[np.intp]) -> list[Candidate]:
            names = ids.take(pa.array(rows[chosen])).to_pylist()
            return [
                Candidate(float(badness[place]), name, part)
                for place, name in zip(chosen, names, strict=True)
            ]

        self._best = sorted(self._best + candidates(_lowest(badness)))[:KEPT]
        self._worst = sorted(self._worst + candidates(_lowest(-badness)))[-KEPT:]
        self._by_bin += candidates(self._first_of_bins(self._values.bins_of(values[rows])))

    def placed(self) -> list[tuple[str, Candidate]]:
        """Place and track: the best first, then the median, then the worst; each track once."""
        best = self._best[: min(KEPT, (self.tracks + 2) // 3)]
        least = min(KEPT, (self.tracks + 1) // 3)
        worst = self._worst[len(self._worst) - least :]
        taken = {candidate.track_id for candidate in (*best, *worst)}
        rest = (candidate for candidate in self._by_bin if candidate.track_id not in taken)
        median = self._nearest_to_median(rest, min(KEPT, self.tracks // 3))
        return [
            (place, candidate)
            for place, those in (("best", best), ("median", median), ("worst", worst))
            for candidate in those
        ]

    def _nearest_to_median(self, candidates: Iterable[Candidate], count: int) -> list[Candidate]:
        if not count:
            return []
        middle = self._sign * self._values.quantile(0.5)
        by_distance = sorted(candidates, key=lambda one: (abs(one.badness - middle), one))
        return sorted(by_distance[:count])

    def _first_of_bins(self, bins: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
        """Rows that go into bins which have fewer than ``KEPT_IN_BIN``."""
        order = np.argsort(bins, kind="stable")
        ordered = bins[order]
        place_in_bin = np.arange(len(order)) - np.searchsorted(ordered, ordered)
        chosen = order[place_in_bin < KEPT_IN_BIN - self._kept_in_bin[ordered]]
        self._kept_in_bin += np.bincount(bins[chosen], minlength=FINE_BINS)
        return chosen


def _lowest(values: Values) -> npt.NDArray[np.intp]:
    """Rows of the ``KEPT`` lowest values, and of those equal to the last of them."""
    if len(values) <= KEPT:
        return np.arange(len(values))
    return np.flatnonzero(values <= np.partition(values, KEPT - 1)[KEPT - 1])


def chosen_ranker(by_reference: Ranker, without: Ranker) -> Ranker | None:
    """The ranking by references where enough tracks have them; None where nothing is ranked."""
    enough = min(3 * KEPT, without.tracks)
    ranker = by_reference if by_reference.tracks and by_reference.tracks >= enough else without
    return ranker if ranker.tracks else None


def by_part(candidates: Sequence[Candidate]) -> dict[str, list[str]]:
    """Ids of the tracks whose rows each part has."""
    ids: dict[str, list[str]] = {}
    for candidate in candidates:
        ids.setdefault(candidate.part, []).append(candidate.track_id)
    return ids
