"""A worker's metrics by way of Ray, whose agent on each node Prometheus scrapes."""

from typing import TYPE_CHECKING

from latentsep.monitoring.definitions import WORKER_METRICS, Metric

if TYPE_CHECKING:
    from ray.util.metrics import Counter, Gauge, Histogram


class RayRecorder:
    """A ``Recorder`` for a process that belongs to a Ray cluster."""

    def __init__(self) -> None:
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        for metric in WORKER_METRICS:
            self._register(metric)

    def count(self, metric: Metric, amount: float, *labels: str) -> None:
        """See ``Recorder``; Ray refuses an amount of zero."""
        if amount > 0:
            self._counters[metric.name].inc(amount, _tags(metric, labels))

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """See ``Recorder``."""
        self._gauges[metric.name].set(value, _tags(metric, labels))

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """See ``Recorder``."""
        self._histograms[metric.name].observe(value, _tags(metric, labels))

    def _register(self, metric: Metric) -> None:
        from ray.util.metrics import Counter, Gauge, Histogram

        about, tags = (metric.own_name, metric.help), metric.label_names
        if metric.kind == "counter":
            self._counters[metric.name] = Counter(*about, tag_keys=tags)
        elif metric.kind == "gauge":
            self._gauges[metric.name] = Gauge(*about, tag_keys=tags)
        else:
            bounds = list(metric.buckets)
            self._histograms[metric.name] = Histogram(*about, boundaries=bounds, tag_keys=tags)


def _tags(metric: Metric, labels: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(metric.label_names, labels, strict=True))
