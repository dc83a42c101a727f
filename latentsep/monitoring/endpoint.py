"""The driver's metrics over HTTP, for Prometheus."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family

from latentsep.monitoring.definitions import DRIVER_METRICS, Metric
from latentsep.monitoring.values import MetricValues

logger = logging.getLogger(__name__)


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
        self._server = ScrapeServer(address, port)
        self._server.set_app(make_wsgi_app(registry))
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="metrics", daemon=True
        )
        self._thread.start()

    def wait_for_last_scrape(self, longest_s: float) -> None:
        """Let whoever asked within this time ask once more, so that it learns how things ended."""
        self._server.wait_for_one_more(longest_s)

    def close(self) -> None:
        """Stop listening, and end the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class ScrapeServer(ThreadingMixIn, WSGIServer):
    """Knows when the last request came, and of the last one answered, when that came.

    Raises:
        OSError: it cannot listen at the address.
    """

    daemon_threads = True

    def __init__(self, address: str, port: int) -> None:
        self._came_s = self._answered_s = float("-inf")
        self._answered = threading.Condition()
        found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self.address_family, _, _, _, (host, *_) = found[0]
        super().__init__((str(host), port), _Handler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Answer one request to its end."""
        came_s = time.monotonic()
        with self._answered:
            self._came_s = max(self._came_s, came_s)
        super().process_request_thread(request, client_address)
        with self._answered:
            self._answered_s = max(self._answered_s, came_s)
            self._answered.notify_all()

    def wait_for_one_more(self, longest_s: float) -> None:
        """Wait for the answer to a request from now on; in vain if there was none of late.

        Whoever asked has an answer a moment before it counts as answered: that they came is enough.
        """
        now_s = time.monotonic()
        with self._answered:
            if now_s - self._came_s <= longest_s:
                self._answered.wait_for(lambda: self._answered_s >= now_s, longest_s)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Whoever asked went away before the answer: no matter for the job's output."""
        logger.debug("event=scrape_broken client=%s", client_address, exc_info=True)


class _Handler(WSGIRequestHandler):
    timeout = 30
    """Seconds after which a connection that asks nothing is given up."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a line for each scrape is none of a job's news."""


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
