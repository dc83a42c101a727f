"""A store in front of a real one whose conditional writes fail as those of a network do."""

from latentsep.errors import CommitStateUnknownError, StoreError, WriteConflictError

FAULTS = ["fine", "lost request", "lost reply", "conflict", "refused"]


class FaultyStore:
    """Takes a fault from ``faults`` for each conditional write; none are left: all is fine.

    ``before`` and ``after`` are called around each write with its key: what others do meanwhile.
    """

    def __init__(self, inner, faults=(), before=None, after=None):
        self.inner = inner
        self.faults = list(faults)
        self._before = before or (lambda key: None)
        self._after = after or (lambda key: None)

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def create(self, key, data):
        return self._write(key, lambda: self.inner.create(key, data))

    def replace_if(self, key, data, etag):
        return self._write(key, lambda: self.inner.replace_if(key, data, etag))

    def _write(self, key, write):
        fault = self.faults.pop(0) if self.faults else "fine"
        self._before(key)
        if fault == "conflict":
            raise WriteConflictError(f"{key}: collided")
        if fault == "refused":
            raise StoreError(f"{key}: no", retryable=True)
        if fault == "lost request":
            raise CommitStateUnknownError(f"{key}: lost")
        try:
            etag = write()
        except StoreError as error:
            if fault == "lost reply":
                raise CommitStateUnknownError(f"{key}: lost") from error
            raise
        self._after(key)
        if fault == "lost reply":
            raise CommitStateUnknownError(f"{key}: lost")
        return etag
