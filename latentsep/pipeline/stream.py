"""Outcome tables from a thread, so that the driver can look up between them."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, Queue

import pyarrow as pa

TICK_S = 0.5
AHEAD = 64
"""Tables that wait for the driver at most; beyond that the cluster waits."""
_END = object()


def ticking(tables: Iterable[pa.Table], tick_s: float = TICK_S) -> Iterator[pa.Table | None]:
    """The tables as they come, and None whenever none came for a while.

    Raises whatever the tables' iterator raises. Leaving early leaves the thread behind; it ends
    with the cluster.
    """
    queue: Queue[object] = Queue(AHEAD)
    executor = ThreadPoolExecutor(1, thread_name_prefix="outcomes")
    pump = executor.submit(_pump, tables, queue)
    executor.shutdown(wait=False)
    while True:
        try:
            item = queue.get(timeout=tick_s)
        except Empty:
            yield None
            continue
        if item is _END:
            pump.result()
            return
        yield item


def _pump(tables: Iterable[pa.Table], queue: "Queue[object]") -> None:
    try:
        for table in tables:
            queue.put(table)
    finally:
        queue.put(_END)
