"""Everything that the page says of an output's results, counted part after part."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from latentsep.catalogue.status import COUNTED_COLUMNS, ResultCount
from latentsep.report.document import Distribution
from latentsep.report.histogram import Histogram, Values
from latentsep.report.measures import BLEED, MEASURES, STAGES, VOCAL_ACTIVITY, VOCALS_SI_SDR
from latentsep.report.ranking import Ranker

_MEASURED = tuple(measure.column for measure in MEASURES)
COLUMNS = tuple(dict.fromkeys((*COUNTED_COLUMNS, *_MEASURED, *(f"{stage}_s" for stage in STAGES))))
"""Of the results, those that are read."""


class CountedResults:
    """Counts of result rows; memory does not grow with them.

    Attributes:
        count: tracks, audio and stems, also by time.
        stage_s: seconds of all tracks by stage.
        by_reference: ranks by SI-SDR.
        by_bleed: ranks by what needs no references.
    """

    def __init__(self) -> None:
        self.count = ResultCount()
        self.stage_s = dict.fromkeys(STAGES, 0.0)
        self.by_reference = Ranker(VOCALS_SI_SDR)
        self.by_bleed = Ranker(BLEED)
        self._histograms = {measure.column: Histogram(measure) for measure in MEASURES}

    def add(self, part: str, rows: pa.Table) -> None:
        """Count the rows of a part, which have ``COLUMNS``."""
        self.count.add(rows)
        for stage in STAGES:
            self.stage_s[stage] += pc.sum(rows.column(f"{stage}_s")).as_py() or 0.0
        for column, histogram in self._histograms.items():
            histogram.add(values_of(rows, column))
        activity = values_of(rows, VOCAL_ACTIVITY.column)
        for ranker in (self.by_reference, self.by_bleed):
            values = values_of(rows, ranker.measure.column)
            ranker.add(part, rows.column("track_id"), values, activity)

    def distributions(self) -> tuple[Distribution, ...]:
        """Of the measures that have a value in some track."""
        return tuple(
            histogram.distribution() for histogram in self._histograms.values() if histogram.total
        )


def values_of(rows: pa.Table, column: str) -> Values:
    """A column of numbers; NaN where it is null."""
    return np.asarray(rows.column(column).cast(pa.float64()).to_numpy(), np.float64)
