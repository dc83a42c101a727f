"""Serves moto's S3 on a loopback port: ``python moto_process.py PORT``."""

import sys
import threading

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple


class OneAtATime:
    """Moto looks for an object and then writes it: racing conditional puts could both win there.

    Real servers do both in one step; one request at a time gives the same.
    """

    def __init__(self, application):
        self._application = application
        self._lock = threading.Lock()

    def __call__(self, environ, start_response):
        with self._lock:
            return self._application(environ, start_response)


if __name__ == "__main__":
    application = OneAtATime(DomainDispatcherApplication(create_backend_app))
    run_simple("127.0.0.1", int(sys.argv[1]), application, threaded=True)
