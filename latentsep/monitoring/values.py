"""The values of metrics in memory: whole columns are observed at once, scrapes see no halves."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from latentsep.monitoring.definitions import Metric

Labels = tuple[str, ...]
Numbers = npt.NDArray[np.float64]


class Histogram:
    """Counts of observations between the bounds, and their sum."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = np.array(bounds)
        self._counts = np.zeros(len(bounds) + 1, np.int64)
        self.total = 0.0

    def add(self, values: Numbers) -> None:
        """Observe finite values."""
        # "left": a value that equals a bound is at or below it, as Prometheus counts.
        places = np.searchsorted(self._bounds, values, side="left")
        self._counts += np.bincount(places, minlength=len(self._counts))
        self.total += float(values.sum())

    @property
    def cumulative(self) -> list[tuple[float, int]]:
        """Observations at or below each bound, the infinite one last."""
        bounds = [*self._bounds.tolist(), float("inf")]
        return list(zip(bounds, np.cumsum(self._counts).tolist(), strict=True))


class MetricValues:
    """Values of metrics by labels; a ``Recorder``. Threads may use it side by side."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._numbers: dict[Metric, dict[Labels, float]] = defaultdict(dict)
        self._histograms: dict[Metric, dict[Labels, Histogram]] = defaultdict(dict)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Nobody else reads or changes anything meanwhile."""
        with self._lock:
            yield

    def count(self, metric: Metric, amount: float, *labels: str) -> None:
        """Add to a counter; it exists from then on, even at zero."""
        with self._lock:
            numbers = self._numbers[metric]
            numbers[labels] = numbers.get(labels, 0.0) + amount

    def set(self, metric: Metric, value: float | None, *labels: str) -> None:
        """Replace a gauge, or a counter that somebody else keeps; None: not known, so absent."""
        with self._lock:
            if value is None:
                self._numbers[metric].pop(labels, None)
            else:
                self._numbers[metric][labels] = value

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Add one observation to a histogram."""
        self.observe_all(metric, np.array([value]), *labels)

    def observe_all(self, metric: Metric, values: Numbers, *labels: str) -> None:
        """Add observations; one that is not finite would spoil the sum and is left out."""
        with self._lock:
            histograms = self._histograms[metric]
            if labels not in histograms:
                histograms[labels] = Histogram(metric.buckets)
            histograms[labels].add(values[np.isfinite(values)])

    def numbers(self, metric: Metric) -> dict[Labels, float]:
        """The value of a counter or gauge for each set of labels it has."""
        with self._lock:
            return dict(self._numbers[metric])

    def histograms(self, metric: Metric) -> dict[Labels, Histogram]:
        """The histogram for each set of labels it has; they go on changing."""
        with self._lock:
            return dict(self._histograms[metric])
