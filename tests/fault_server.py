"""A small S3 server that misbehaves on command: planned faults first, then good manners."""

import hashlib
import socket
import struct
import threading
import time
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

RESET_AT_ONCE = "reset before anything is read"
RESET_AFTER_BODY = "reset after the request was read; nothing is done"
DONE_THEN_RESET = "the request is carried out, the reply is lost"
STALL = "the request is read, no reply comes"
DONE_THEN_STALL = "the request is carried out, no reply comes"
HALF_BODY = "the reply breaks off in the middle of the object"
NO_RANGE = "the whole object instead of the range"


@dataclass(frozen=True)
class Refusal:
    """An error reply; ``is_done``: the request was carried out all the same."""

    status: int
    code: str
    is_done: bool = False


SLOW_DOWN = Refusal(503, "SlowDown")
INTERNAL = Refusal(500, "InternalError")
DONE_BUT_500 = Refusal(500, "InternalError", is_done=True)
BAD_PROXY = Refusal(502, "")
CONFLICT = Refusal(409, "ConditionalRequestConflict")
BEGUN = "<InitiateMultipartUploadResult><UploadId>{}</UploadId></InitiateMultipartUploadResult>"
ENDED = "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"
ERROR = "<Error><Code>{}</Code><Message>secret text of the server</Message></Error>"


class FaultServer:
    """Objects in memory behind a queue of faults; ``requests`` is what arrived, in order."""

    def __init__(self, stall_s=3.0):
        self.objects, self.uploads, self.requests, self.faults = {}, {}, [], []
        self.headers = []
        self.etags = {}  # of objects made of parts
        self.on_request = lambda number: None
        self.stall_s = stall_s
        self.lock = threading.Lock()
        self.released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.faults = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def plan(self, *faults):
        """Faults for the next requests, in order; None, and all after, get an honest reply."""
        self.faults[:] = faults
        self.on_request = lambda number: None
        self.requests.clear()
        self.headers.clear()

    def forget(self):
        """Start anew."""
        self.plan()
        for held in (self.objects, self.uploads, self.etags):
            held.clear()

    def next_fault(self):
        with self.lock:
            return self.faults.pop(0) if self.faults else None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body go out one after the other; waiting in between takes 40 ms.
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def handle_expect_100(self):
        if self._server.faults[:1] == [RESET_AT_ONCE]:
            return True
        return super().handle_expect_100()

    def do_PUT(self):
        self._serve()

    do_GET = do_HEAD = do_POST = do_DELETE = do_PUT

    @property
    def _server(self):
        return self.server.faults

    def _serve(self):
        fault = self._server.next_fault()
        url = urlsplit(self.path)
        self._server.requests.append(f"{self.command} {url.path}?{url.query}".rstrip("?"))
        self._server.headers.append(dict(self.headers))
        self._server.on_request(len(self._server.requests))
        if fault == RESET_AT_ONCE:
            self._reset()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        getattr(self, f"_serve_{type(fault).__name__}")(fault, unquote(url.path), body)

    def _serve_NoneType(self, _, key, body):
        self._reply(*self._carry_out(key, body))

    def _serve_Refusal(self, refusal, key, body):
        if refusal.is_done:
            self._carry_out(key, body)
        text = ERROR.format(refusal.code) if refusal.code else "<html>"
        self._reply(refusal.status, text.encode(), {})

    def _serve_str(self, fault, key, body):
        if fault in (DONE_THEN_RESET, DONE_THEN_STALL):
            self._carry_out(key, body)
        if fault in (STALL, DONE_THEN_STALL):
            self._server.released.wait(self._server.stall_s)
        if fault == HALF_BODY:
            self._reply(*self._carry_out(key, body), cut=True)
        elif fault == NO_RANGE:
            del self.headers["Range"]
            self._reply(*self._carry_out(key, body))
            return
        self._reset()

    def _carry_out(self, key, body):
        with self._server.lock:
            return getattr(self, f"_{self.command.lower()}")(key, body)

    @property
    def _query(self):
        return dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))

    def _put(self, key, body):
        if upload_id := self._query.get("uploadId"):
            self._server.uploads[upload_id][int(self._query["partNumber"])] = body
            return 200, b"", {"ETag": f'"{_etag(body)}"'}
        current = self._server.objects.get(key)
        if self.headers.get("If-None-Match") == "*" and current is not None:
            return _error(412, "PreconditionFailed")
        if (wanted := self.headers.get("If-Match")) is not None and wanted != _etag(current):
            return _error(412, "PreconditionFailed")
        self._server.objects[key] = body
        self._server.etags.pop(key, None)
        return 200, b"", {"ETag": f'"{_etag(body)}"'}

    def _get(self, key, _):
        data = self._server.objects.get(key)
        if data is None:
            return _error(404, "NoSuchKey")
        etag = self._server.etags.get(key) or _etag(data)
        if self.headers.get("If-Match", etag) != etag:
            return _error(412, "PreconditionFailed")
        headers = {"ETag": f'"{etag}"', "Last-Modified": formatdate(usegmt=True)}
        if wanted := self.headers.get("Range"):
            first, last = (int(number) for number in wanted.removeprefix("bytes=").split("-"))
            part = data[first : last + 1]
            headers["Content-Range"] = f"bytes {first}-{first + len(part) - 1}/{len(data)}"
            return 206, part, headers
        return 200, data, headers

    _head = _get

    def _delete(self, key, _):
        if upload_id := self._query.get("uploadId"):
            self._server.uploads.pop(upload_id, None)
        else:
            self._server.objects.pop(key, None)
        return 204, b"", {}

    def _post(self, key, _):
        if "uploads" in self._query:
            upload_id = str(len(self._server.requests))
            self._server.uploads[upload_id] = {}
            return 200, BEGUN.format(upload_id).encode(), {}
        if upload_id := self._query.get("uploadId"):
            return self._complete(key, self._server.uploads.pop(upload_id, None))
        # Deletion of many, as older servers answer it.
        return _error(400, "InvalidRequest")

    def _complete(self, key, parts):
        if parts is None:
            return _error(404, "NoSuchUpload")
        data = b"".join(parts[number] for number in sorted(parts))
        digests = b"".join(bytes.fromhex(_etag(parts[number])) for number in sorted(parts))
        self._server.objects[key] = data
        self._server.etags[key] = f"{_etag(digests)}-{len(parts)}"
        return 200, ENDED.encode(), {}

    def _reply(self, status, body, headers, *, cut=False):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)

    def _reset(self):
        """RST instead of a decent end of the connection."""
        time.sleep(0.01)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        # The handler's files share the socket: it is closed when all are.
        self.wfile = _Nothing()
        self.rfile.close()
        self.connection.close()


class _Nothing:
    closed = True

    def flush(self):
        pass

    def close(self):
        pass


def _error(status, code):
    return status, ERROR.format(code).encode(), {}


def _etag(data):
    return None if data is None else hashlib.md5(data, usedforsecurity=False).hexdigest()
