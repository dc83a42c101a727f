"""A source that does not come before the test says so: a job that has it cannot end by itself."""

from fault_server import FaultServer


class HeldSource:
    """An object on a server of S3 that answers nothing until ``release``.

    Attributes:
        uri: of the object.
        settings: the group ``storage`` of a job's configuration with which it is found.
    """

    uri = "s3://held/song.flac"

    def __init__(self, song):
        self._server = FaultServer()
        self._server.objects["/held/song.flac"] = song
        self._server.on_request = lambda number: self._server.released.wait()
        self.settings = {
            "s3": {
                "endpoint_url": self._server.url,
                "region": "us-east-1",
                # Longer than any test.
                "read_timeout_s": 3600.0,
            }
        }

    def __enter__(self):
        self._server.__enter__()
        return self

    def __exit__(self, *_):
        self._server.__exit__()

    @property
    def is_asked_for(self):
        return bool(self._server.requests)

    def release(self):
        """Answer from here on."""
        self._server.released.set()
