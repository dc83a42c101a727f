"""What code that is measured tells its measures to; it knows neither Prometheus nor Ray."""

from typing import Protocol

from latentsep.monitoring.definitions import Metric


class Recorder(Protocol):
    """Takes measures; label values come in the order of the metric's labels."""

    def count(self, metric: Metric, amount: float, *labels: str) -> None:
        """Add to a counter."""

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """Replace the value of a gauge."""

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Add one observation to a histogram."""


class NoRecorder:
    """Keeps nothing."""

    def count(self, metric: Metric, amount: float, *labels: str) -> None:
        """See ``Recorder``."""

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """See ``Recorder``."""

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """See ``Recorder``."""
