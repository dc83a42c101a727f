"""Ends a job on request: Ctrl-C, SIGTERM, a limit that was reached."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Set once, by a signal or by the job itself; the driver looks at it between two batches.

    Attributes:
        reason: for people; None while nobody wants to stop.
        by_signal: the request came from outside.
        is_set: whether the job should stop.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self.by_signal = False
        # No Event: its lock, held by the code that a signal interrupts, would hold the handler.
        self.is_set = False

    def ask(self, reason: str, *, by_signal: bool = False) -> None:
        """Stop the job; the first reason stays."""
        if not self.is_set:
            self.reason, self.by_signal = reason, by_signal
            self.is_set = True

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM ask to stop; the handlers from before come back at the end."""
        before = {number: signal.getsignal(number) for number in SIGNALS}
        self.claim_signals()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def claim_signals(self) -> None:
        """Set the handlers again: ``ray.init`` puts its own in their place, which exit."""

        def ask(number: int, frame: FrameType | None) -> None:
            self.ask(f"got {signal.Signals(number).name}", by_signal=True)

        for number in SIGNALS:
            signal.signal(number, ask)
