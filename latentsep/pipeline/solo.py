"""Lets many in side by side, or one alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class SoloGate:
    """Tracks run side by side; a suspect, one that was there when a worker died, runs alone.

    So the next death is the fault of the one that was alone, and its companions are cleared.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._solo_waiting = 0
        self._solo_inside = False

    @contextmanager
    def pass_through(self, *, alone: bool) -> Iterator[None]:
        """Wait until the block may run, alone or in company, and run it."""
        self._enter(alone=alone)
        try:
            yield
        finally:
            self._leave(alone=alone)

    def _enter(self, *, alone: bool) -> None:
        with self._changed:
            self._solo_waiting += alone
            self._changed.wait_for(lambda: self._may_enter(alone=alone))
            self._solo_waiting -= alone
            self._inside += 1
            self._solo_inside = alone

    def _leave(self, *, alone: bool) -> None:
        with self._changed:
            self._inside -= 1
            self._solo_inside = self._solo_inside and not alone
            self._changed.notify_all()

    def _may_enter(self, *, alone: bool) -> bool:
        if alone:
            return self._inside == 0
        # Whoever wants to be alone goes first, or it would wait for ever.
        return not self._solo_inside and self._solo_waiting == 0
