"""A store around another one whose conditional writes go wrong as planned."""

from contextlib import suppress

from latentsep.errors import CommitStateUnknownError, StoreError, WriteConflictError

FAULTS = ("fine", "conflict", "lost before", "lost after", "late", "refused")


class LossyStore:
    """Takes a fault for each ``create`` and ``replace_if``; all is fine when none is left.

    ``late``: the reply is lost, and the write is carried out some requests later, as one that
    hung in a proxy. It meets the condition that it was sent with, as on a real server.
    """

    def __init__(self, store, faults=(), late_by=3):
        self._store = store
        self.faults = list(faults)
        self._late_by = late_by
        self._late = []

    def __getattr__(self, name):
        self._pass_time()
        return getattr(self._store, name)

    @property
    def uri(self):
        return self._store.uri

    def uri_of(self, key):
        return self._store.uri_of(key)

    def create(self, key, data):
        return self._faulty(lambda: self._store.create(key, data))

    def replace_if(self, key, data, etag):
        return self._faulty(lambda: self._store.replace_if(key, data, etag))

    def arrive(self):
        """Carry out what is late."""
        for _, write in self._late:
            self._try(write)
        self._late = []

    def _pass_time(self):
        due = [write for left, write in self._late if left <= 1]
        self._late = [(left - 1, write) for left, write in self._late if left > 1]
        for write in due:
            self._try(write)

    def _faulty(self, write):
        self._pass_time()
        fault = self.faults.pop(0) if self.faults else "fine"
        if fault == "fine":
            return write()
        if fault == "conflict":
            raise WriteConflictError("collided")
        if fault == "refused":
            raise StoreError("no space", retryable=True)
        if fault == "lost after":
            self._try(write)
        if fault == "late":
            self._late.append((self._late_by, write))
        raise CommitStateUnknownError("the reply was lost")

    @staticmethod
    def _try(write):
        with suppress(StoreError):
            write()
