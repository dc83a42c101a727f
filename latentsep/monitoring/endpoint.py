"""The driver's metrics over HTTP, for Prometheus."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family

from latentsep.monitoring.definitions import DRIVER_METRICS, Metric
from latentsep.monitoring.values import MetricValues


class MetricsEndpoint:
    """Answers scrapes in threads of its own until it is closed.

    Args:
        values: what is told.
        refresh: brings up to date what changes by itself; called at each scrape.
        address: where it listens, such as 127.0.0.1.
        port: where it listens.

    Raises:
        OSError: it cannot listen there.
    """

    def __init__(
        self, values: MetricValues, refresh: Callable[[], None], address: str, port: int
    ) -> None:
        registry = CollectorRegistry()
        registry.register(_Collector(values, refresh))
        self._server, self._thread = start_http_server(port, address, registry)

    def close(self) -> None:
        """Stop listening, and end the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Collector:
    def __init__(self, values: MetricValues, refresh: Callable[[], None]) -> None:
        self._values = values
        self._refresh = refresh

    def describe(self) -> list[Family]:
        """Nothing: the registry would otherwise collect to learn the names."""
        return []

    def collect(self) -> Iterator[Family]:
        """All families as they are at one moment."""
        with self._values.at_once():
            self._refresh()
            families = [_family(metric, self._values) for metric in DRIVER_METRICS]
        yield from families


def _family(metric: Metric, values: MetricValues) -> Family:
    about = (metric.own_name, metric.help)
    if metric.kind == "histogram":
        histograms = HistogramMetricFamily(*about, labels=metric.label_names)
        for labels, histogram in values.histograms(metric).items():
            buckets = [(_bound(bound), count) for bound, count in histogram.cumulative]
            histograms.add_metric(labels, buckets, histogram.total)
        return histograms
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    numbers = kind(*about, labels=metric.label_names)
    for labels, number in values.numbers(metric).items():
        numbers.add_metric(labels, number)
    return numbers


def _bound(bound: float) -> str:
    return "+Inf" if bound == float("inf") else str(bound)
