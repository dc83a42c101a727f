"""One queue of windows over all tracks in flight: full batches, whoever they come from."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Generic, NamedTuple, Protocol, Self, TypeVar

from latentsep.monitoring.definitions import QUEUE_WAIT_SECONDS
from latentsep.monitoring.recorder import NoRecorder, Recorder

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

FILL_WAIT_S = 0.5
"""A batch that could still fill goes short after this: a slow source must not idle the device."""


class BatchWork(Protocol[Item, Outcome]):
    """What the queue's thread does with one batch."""

    @property
    def batch_items(self) -> int:
        """How many items fill a batch now."""

    def run(self, items: list[Item]) -> list[Outcome]:
        """The outcomes of a batch, in its order."""


class _Pending(NamedTuple, Generic[Item, Outcome]):
    """An item that waits for its batch, since a time of ``perf_counter``."""

    item: Item
    future: "Future[Outcome]"
    since_s: float


class WindowQueue(Generic[Item, Outcome]):
    """Runs batches in one thread; producers are threads that wait for their own outcomes.

    A batch starts when it is full, or when no producer can add to it before it gets an outcome, or
    after ``FILL_WAIT_S``.

    Args:
        work: runs the batches.
        recorder: is told how long items waited for their batch.

    Attributes:
        busy_s: time spent in ``work``, which is the device's busy time.
        batches: batches run.
        items: items run; ``items / (batches * batch_items)`` is how full they were.
    """

    def __init__(self, work: BatchWork[Item, Outcome], recorder: Recorder | None = None) -> None:
        self.busy_s = 0.0
        self.batches = 0
        self.items = 0
        self._work = work
        self._recorder = recorder or NoRecorder()
        self._pending: deque[_Pending[Item, Outcome]] = deque()
        self._changed = threading.Condition()
        self._producers = 0
        self._closed = False
        # One thread for all device work; an executor hands errors on without catching them here.
        self._device = ThreadPoolExecutor(1, thread_name_prefix="device")
        self._thread = threading.Thread(target=self._serve, name="windows", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def submit(self, item: Item) -> "Future[Outcome]":
        """Add one item; its outcome, or the error of its batch, comes through the future."""
        future: Future[Outcome] = Future()
        with self._changed:
            self._pending.append(_Pending(item, future, time.perf_counter()))
            self._changed.notify_all()
        return future

    @contextmanager
    def producing(self) -> Iterator[None]:
        """Says that this thread may submit more without waiting for an outcome first."""
        self._count_producers(1)
        try:
            yield
        finally:
            self._count_producers(-1)

    def wait(self, future: "Future[Outcome]") -> Outcome:
        """The outcome, for a thread inside ``producing``: until then it produces nothing."""
        if future.done():
            return future.result()
        self._count_producers(-1)
        try:
            return future.result()
        finally:
            self._count_producers(1)

    def close(self) -> None:
        """Run what is pending and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()
        self._device.shutdown()

    def _count_producers(self, change: int) -> None:
        with self._changed:
            self._producers += change
            self._changed.notify_all()

    def _serve(self) -> None:
        while batch := self._next_batch():
            began_s = time.perf_counter()
            self._run(batch)
            self.busy_s += time.perf_counter() - began_s
            self.batches += 1
            self.items += len(batch)
            for pending in batch:
                self._recorder.observe(QUEUE_WAIT_SECONDS, began_s - pending.since_s)

    def _next_batch(self) -> "list[_Pending[Item, Outcome]]":
        """The next items to run together; empty when the queue is closed and drained."""
        with self._changed:
            self._changed.wait_for(lambda: self._pending or self._closed)
            self._changed.wait_for(self._is_ready, FILL_WAIT_S)
            count = min(len(self._pending), self._work.batch_items)
            return [self._pending.popleft() for _ in range(count)]

    def _is_ready(self) -> bool:
        full = len(self._pending) >= self._work.batch_items
        return full or self._producers == 0 or self._closed

    def _run(self, batch: "list[_Pending[Item, Outcome]]") -> None:
        done = self._device.submit(self._outcomes, [pending.item for pending in batch])
        error = done.exception()
        if error is not None:
            for pending in batch:
                pending.future.set_exception(error)
            return
        for pending, outcome in zip(batch, done.result(), strict=True):
            pending.future.set_result(outcome)

    def _outcomes(self, items: list[Item]) -> list[Outcome]:
        outcomes = self._work.run(items)
        if len(outcomes) != len(items):
            # Raised here it reaches the producers; in the serving thread it would end the queue.
            raise ValueError(f"a batch of {len(items)} gave {len(outcomes)} outcomes")
        return outcomes
