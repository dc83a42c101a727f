"""Counts values in even bins, so that quantiles need no list of all values."""

import numpy as np
import numpy.typing as npt

from latentsep.report.document import Distribution, Measure

Values = npt.NDArray[np.float64]
BINS = 50
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class Histogram:
    """Values of a measure by bin; what lies outside its range counts in the first or last bin.

    Attributes:
        counts: by bin.
        undefined: values that are no finite numbers.
    """

    def __init__(self, measure: Measure, bins: int = BINS) -> None:
        self.counts = np.zeros(bins, np.int64)
        self.undefined = 0
        self._measure = measure
        self._lowest, self._highest = measure.high, measure.low

    @property
    def total(self) -> int:
        """How many values were counted."""
        return int(self.counts.sum())

    @property
    def bin_width(self) -> float:
        """In the measure's unit."""
        return (self._measure.high - self._measure.low) / len(self.counts)

    def bins_of(self, values: Values) -> npt.NDArray[np.int64]:
        """The bin of each value; they have to be finite."""
        # Clipped first: a value far outside has no place among the integers.
        inside = np.clip(values, self._measure.low, self._measure.high)
        bins = ((inside - self._measure.low) / self.bin_width).astype(np.int64)
        return np.minimum(bins, len(self.counts) - 1)

    def add(self, values: Values) -> None:
        """Count more values; NaN and infinities are undefined."""
        finite = values[np.isfinite(values)]
        self.undefined += len(values) - len(finite)
        self._lowest = min(self._lowest, finite.min(initial=self._lowest))
        self._highest = max(self._highest, finite.max(initial=self._highest))
        self.counts += np.bincount(self.bins_of(finite), minlength=len(self.counts))

    def quantile(self, share: float) -> float:
        """The value below which this share of them lies, exact to one bin's width within the range.

        Raises:
            ValueError: nothing was counted.
        """
        if not self.total:
            raise ValueError("no value was counted, so there are no quantiles")
        below = np.cumsum(self.counts)
        wanted = share * below[-1]
        place = int(np.searchsorted(below, wanted))
        inside = 1 - (below[place] - wanted) / max(1, self.counts[place])
        found = self._measure.low + self.bin_width * (place + min(1.0, max(0.0, inside)))
        # A bin may be far wider than what is in it: thirteen zeros have the median zero.
        lowest = max(self._lowest, self._measure.low)
        return float(max(lowest, min(found, self._highest)))

    def distribution(self) -> Distribution:
        """What the page shows of it."""
        five = None
        if self.total:
            low, lower, middle, upper, high = (self.quantile(share) for share in QUANTILES)
            five = low, lower, middle, upper, high
        return Distribution(
            self._measure, tuple(self.counts.tolist()), self.total, self.undefined, five
        )
