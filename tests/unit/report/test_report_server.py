import http.client
import json
import threading
from contextlib import contextmanager

import pytest
from report_documents import report

from latentsep.errors import ConfigError
from latentsep.report.live import LivePage
from latentsep.report.server import ReportServer


@contextmanager
def serving(page):
    with ReportServer(page, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def server():
    page = LivePage([report], "/music/out")
    page.refresh()
    with serving(page) as server:
        yield server


@pytest.fixture
def ask(server):
    """Sends one request: ``(status, headers, body)``."""

    def ask(path="/", method="GET", host="localhost"):
        connection = http.client.HTTPConnection(*server.server_address, timeout=30)
        connection.putrequest(method, path, skip_host=True)
        if host is not None:
            connection.putheader("Host", host)
        connection.endheaders()
        response = connection.getresponse()
        answer = response.status, response.headers, response.read()
        connection.close()
        return answer

    return ask


def test_the_page_is_served_at_the_root(ask, server):
    status, headers, body = ask("/?from=bookmark")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert body.decode() == server.page.html


def test_parts_are_told_with_their_digests(ask, server):
    status, headers, body = ask("/parts")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    parts = json.loads(body)
    assert list(parts) == list(server.page.parts)
    assert parts["summary"]["html"] == server.page.parts["summary"].html


def test_a_part_that_the_browser_has_is_not_sent_again(ask, server):
    digest = server.page.parts["tracks"].digest
    parts = json.loads(ask(f"/parts?tracks={digest}&summary=0123456789abcdef&nonsense=%00")[2])
    assert parts["tracks"] == {"digest": digest, "html": None}
    assert parts["summary"]["html"]


@pytest.mark.parametrize("path", ["/", "/parts", "/favicon.ico"])
def test_every_answer_has_a_strict_policy_and_is_not_kept(ask, path):
    headers = ask(path)[1]
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Access-Control-Allow-Origin"] is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8780", "LOCALHOST:1", "[::1]:8780"])
def test_loopback_names_are_answered_on_any_port_so_that_tunnels_work(ask, host):
    assert ask(host=host)[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        None, "", "evil.example", "evil.example:8780", "localhost.evil.example",
        "127.0.0.1.nip.io", "[x", "a@b",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/parts"])
def test_a_foreign_host_name_is_refused(ask, host, path):
    status, _, body = ask(path, host=host)
    assert status == 421
    assert b"music" not in body


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_get_is_answered(ask, method):
    status, headers, _ = ask(method=method)
    assert (status, headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize("path", ["/etc/passwd", "/../run.json", "//evil/", "/parts/", "/%00"])
def test_there_is_nothing_else(ask, path):
    assert ask(path)[0] == 404


def test_a_taken_port_is_said_with_what_to_do(server):
    port = server.server_address[1]
    with pytest.raises(ConfigError, match=f"port {port}: .*choose another one with --port"):
        ReportServer(server.page, port)


def test_its_url_has_the_port_that_it_got(server):
    assert server.url == f"http://127.0.0.1:{server.server_address[1]}/"
