"""A model hub on the loopback interface, with one repository at one revision."""

import hashlib
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "a" * 40


class _Handler(BaseHTTPRequestHandler):
    folder = None
    name = ""
    revision = ""

    def do_HEAD(self):
        self._reply(with_body=False)

    def do_GET(self):
        self._reply(with_body=True)

    def _reply(self, with_body):
        data = self._file()
        if isinstance(data, str):
            self.send_response(404)
            self.send_header("X-Error-Code", data)
            data = b""
        else:
            self.send_response(200)
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if with_body:
            self.wfile.write(data)

    def _file(self):
        """Bytes, or the hub's word for what is missing."""
        if not self.path.startswith(f"/{self.name}/"):
            return "RepoNotFound"
        if not self.path.startswith(f"/{self.name}/resolve/{self.revision}/"):
            return "RevisionNotFound"
        file = self.folder / self.path.rpartition("/")[2]
        return file.read_bytes() if file.is_file() else "EntryNotFound"

    def log_message(self, *_arguments):
        pass


@contextmanager
def loopback_hub(folder, name, revision):
    """Serve a folder's files under a name and revision; gives the address."""
    handler = type("Handler", (_Handler,), {"folder": folder, "name": name, "revision": revision})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
