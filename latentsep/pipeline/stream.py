"""Outcome tables from a thread, so that the driver can look up between them."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, Full, Queue

import pyarrow as pa

TICK_S = 0.5
AHEAD = 64
"""Tables that wait for the driver at most; beyond that the cluster waits."""
_END = object()


def ticking(
    tables: Iterable[pa.Table],
    tick_s: float = TICK_S,
    is_enough: Callable[[], bool] = lambda: False,
) -> Iterator[pa.Table | None]:
    """The tables as they come, and None whenever none came for a while.

    Once ``is_enough`` says so, the tables that came already are given out, and that is the end.

    Raises whatever the tables' iterator raises. Leaving early leaves the thread behind; it ends
    with the next table, or with the cluster.
    """
    pump = _Pump(tables)
    try:
        while not is_enough():
            try:
                item = pump.queue.get(timeout=tick_s)
            except Empty:
                yield None
                continue
            if item is _END:
                pump.done.result()
                return
            yield item
        pump.left.set()
        yield from _waiting(pump.queue)
    finally:
        pump.left.set()


def _waiting(queue: "Queue[object]") -> Iterator[pa.Table]:
    with suppress(Empty):
        while (item := queue.get_nowait()) is not _END:
            yield item


class _Pump:
    """Moves tables to a queue in a thread, until nobody wants them any more."""

    def __init__(self, tables: Iterable[pa.Table]) -> None:
        self.queue: Queue[object] = Queue(AHEAD)
        self.left = threading.Event()
        executor = ThreadPoolExecutor(1, thread_name_prefix="outcomes")
        self.done = executor.submit(self._run, tables)
        executor.shutdown(wait=False)

    def _run(self, tables: Iterable[pa.Table]) -> None:
        try:
            for table in tables:
                if not self._put(table):
                    return
        finally:
            self._put(_END)

    def _put(self, item: object) -> bool:
        """Wait for a place in the queue; False once nobody will make one.

        The interpreter waits for this thread when it ends, so it must not wait for ever.
        """
        while not self.left.is_set():
            with suppress(Full):
                self.queue.put(item, timeout=TICK_S)
                return True
        return False
