"""Serves the live page, to browsers of this machine alone unless told otherwise."""

import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from latentsep.errors import ConfigError
from latentsep.report.live import LivePage
from latentsep.report.page import content_policy

LOOPBACK = "127.0.0.1"
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_IDLE_S = 30.0


class ReportServer(ThreadingHTTPServer):
    """Answers ``GET /``, the page, and ``GET /parts``, which of its parts have changed.

    ``/parts`` is JSON, ``{name: {"digest": ..., "html": ...}}``; the query may name digests that
    the browser has, ``?summary=ab12...``, and ``html`` is null where it is the present one.

    A request whose ``Host`` is neither loopback nor ``address`` is refused: a foreign site's name
    may be made to lead here (DNS rebinding), and its scripts could then read the page.

    Args:
        page: what is served.
        port: where it listens; 0 takes a free one.
        address: where it listens.

    Raises:
        ConfigError: it cannot listen there.
    """

    daemon_threads = True

    def __init__(self, page: LivePage, port: int, address: str = LOOPBACK) -> None:
        self.page = page
        self.host_names = _LOOPBACK_NAMES | {address}
        try:
            super().__init__((address, port), _Handler)
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"the report cannot be served on {address}, port {port}: {error}; "
                "choose another one with --port, or --port 0 for any that is free"
            ) from error

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}/"


class _Handler(BaseHTTPRequestHandler):
    server: ReportServer
    server_version = "latentsep"
    sys_version = ""
    timeout = _IDLE_S

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if not self._is_for_us():
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST, "this host name is not served here")
        elif address.path == "/":
            self._answer("text/html; charset=utf-8", self.server.page.html.encode())
        elif address.path == "/parts":
            self._answer("application/json", self._parts(parse_qs(address.query)))
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is only /")

    def _only_get(self) -> None:
        self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, "the page can only be read")

    do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _only_get

    def log_message(self, format: str, *args: Any) -> None:  # noqa: ANN401 - as the base class has it
        """Nothing: a browser asks every two seconds."""

    def _is_for_us(self) -> bool:
        try:
            return urlsplit(f"//{self.headers.get('Host', '')}").hostname in self.server.host_names
        except ValueError:
            return False

    def _parts(self, known: dict[str, list[str]]) -> bytes:
        parts = self.server.page.parts
        told = {
            name: {
                "digest": part.digest,
                "html": None if part.digest in known.get(name, ()) else part.html,
            }
            for name, part in parts.items()
        }
        return json.dumps(told).encode()

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self._answer("text/plain; charset=utf-8", f"{why}\n".encode(), status)

    def _answer(self, media_type: str, body: bytes, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": media_type,
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "Content-Security-Policy": f"{content_policy(live=True)}; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
        }
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = "GET"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
