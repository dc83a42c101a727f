"""An alert on its whole way: a driver that tells, Prometheus, Alertmanager, a receiver."""

import json
import threading
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from command_line import wait_until
from monitoring_files import alerts
from monitoring_servers import alertmanager, prometheus
from s3_server import free_ports

pytestmark = [pytest.mark.integration, pytest.mark.timeout(700)]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self._answer(b"latentsep_lease_held 0\n")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, json.loads(body)))
        self._answer(b"")

    def _answer(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def driver_and_receiver():
    """A server that is both: a driver that has lost its lease, and whoever is told of alerts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.received = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_lost_lease_is_told_to_whoever_is_on_call(tmp_path):
    manager_port, nobody = free_ports(2)
    with ExitStack() as stack:
        server = stack.enter_context(driver_and_receiver())
        port = server.server_port
        stack.enter_context(alertmanager(tmp_path / "alertmanager", manager_port, port))
        stack.enter_context(
            prometheus(
                tmp_path / "prometheus",
                driver_port=port,
                ray_list=tmp_path / "none.json",
                node_port=nobody,
                alertmanager_port=manager_port,
            )
        )
        wait_until(lambda: server.received)
    path, message = server.received[0]
    assert path == "/on-call"
    (alert,) = message["alerts"]
    assert alert["status"] == "firing"
    assert alert["labels"]["alertname"] == "LatentsepLeaseLost"
    assert alert["labels"]["ray_cluster"] == "local"
    rule = alerts()["LatentsepLeaseLost"]["annotations"]
    assert alert["annotations"] == rule | {"summary": "local: the job lost the lease of its output"}
