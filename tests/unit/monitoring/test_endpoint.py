import socket
import threading
import time
from contextlib import suppress

import numpy as np
import pytest
from s3_server import free_ports
from scrape import scrape

from latentsep.monitoring import definitions
from latentsep.monitoring.definitions import DRIVER_METRICS
from latentsep.monitoring.endpoint import MetricsEndpoint
from latentsep.monitoring.values import MetricValues


@pytest.fixture
def serve():
    """``serve(values, refresh)``: the port at which they are told until the test ends."""
    open_ones = []

    def start(values, refresh=lambda: None):
        (port,) = free_ports(1)
        open_ones.append(MetricsEndpoint(values, refresh, "127.0.0.1", port))
        return port

    yield start
    for endpoint in open_ones:
        endpoint.close()


def _everything():
    """One value in every series that the driver may have."""
    values = MetricValues()
    for metric in DRIVER_METRICS:
        labels = tuple(label.values[0] if label.values else "x" for label in metric.labels)
        if metric.kind == "histogram":
            values.observe_all(metric, np.array([metric.buckets[0], 1e9]), *labels)
        else:
            values.set(metric, 7.5, *labels)
    return values


def test_every_metric_is_told_with_its_kind_and_under_its_names(serve):
    told = scrape(serve(_everything()))
    for metric in DRIVER_METRICS:
        family = metric.exposed_name.removesuffix("_total")
        assert told.kinds[family] == metric.kind
        assert set(metric.series_names) <= told.names
    assert told.names == {name for metric in DRIVER_METRICS for name in metric.series_names}


def test_a_histogram_is_cumulative_and_ends_with_all(serve):
    told = scrape(serve(_everything()))
    buckets = told.all("latentsep_commit_seconds_bucket")
    assert buckets == sorted(buckets)
    assert told.one("latentsep_commit_seconds_bucket", le="0.01") == 1
    assert told.one("latentsep_commit_seconds_bucket", le="+Inf") == 2
    assert told.one("latentsep_commit_seconds_count") == 2


def test_what_is_not_known_is_left_out(serve):
    told = scrape(serve(MetricValues()))
    assert told.names == set()
    assert "# HELP latentsep_eta_seconds" in told.text


def test_each_scrape_brings_up_to_date_what_changes_by_itself(serve):
    values, looks = MetricValues(), []

    def refresh():
        looks.append(1)
        values.set(definitions.ETA, 100 - len(looks))

    port = serve(values, refresh)
    assert [scrape(port).one("latentsep_eta_seconds") for _ in range(2)] == [99, 98]


def test_a_port_that_is_taken_is_an_error():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            MetricsEndpoint(MetricValues(), lambda: None, "127.0.0.1", taken.getsockname()[1])


def test_closing_frees_the_port_and_leaves_no_thread():
    before = threading.active_count()
    (port,) = free_ports(1)
    endpoint = MetricsEndpoint(MetricValues(), lambda: None, "127.0.0.1", port)
    scrape(port)
    endpoint.close()
    again = MetricsEndpoint(MetricValues(), lambda: None, "127.0.0.1", port)
    again.close()
    assert threading.active_count() == before


FOREVER_S = 600.0


def closed_in_background(endpoint, longest_s=FOREVER_S):
    def close():
        endpoint.wait_for_last_scrape(longest_s)
        endpoint.close()

    thread = threading.Thread(target=close, daemon=True)
    thread.start()
    return thread


def test_whoever_asked_of_late_may_ask_once_more_before_the_end():
    values = MetricValues()
    (port,) = free_ports(1)
    endpoint = MetricsEndpoint(values, lambda: None, "127.0.0.1", port)
    scrape(port)
    values.set(definitions.LEASE_HELD, 0)
    closing = closed_in_background(endpoint)
    closing.join(0.3)
    told = []
    while closing.is_alive():
        with suppress(OSError):
            told.append(scrape(port).one("latentsep_lease_held"))
        closing.join(0.1)
    assert set(told) == {0}


def test_nobody_is_waited_for_who_never_asked_or_does_not_come_back():
    before = threading.active_count()
    for is_asked in (False, True):
        (port,) = free_ports(1)
        endpoint = MetricsEndpoint(MetricValues(), lambda: None, "127.0.0.1", port)
        if is_asked:
            scrape(port)
        closed_in_background(endpoint, 0.2 if is_asked else FOREVER_S).join(60)
        assert threading.active_count() == before


def test_an_answer_that_nobody_waits_for_says_nothing_on_stderr(serve, capfd):
    begun = threading.Event()

    def refresh():
        begun.set()
        time.sleep(0.2)

    port = serve(_everything(), refresh)
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert begun.wait(60)
    scrape(port)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("address", ["localhost", "0.0.0.0"])
def test_it_listens_where_it_is_told_to(address):
    (port,) = free_ports(1)
    endpoint = MetricsEndpoint(_everything(), lambda: None, address, port)
    assert scrape(port).names
    endpoint.close()


@pytest.mark.parametrize("address", ["not an address", "203.0.113.7"])
def test_an_address_that_is_not_of_this_machine_is_an_error(address):
    (port,) = free_ports(1)
    with pytest.raises(OSError, match=r"."):
        MetricsEndpoint(MetricValues(), lambda: None, address, port)
