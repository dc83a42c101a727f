"""Finds sources that are no longer what was separated."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa

from latentsep.errors import AccessDeniedError, ObjectMissingError
from latentsep.storage import StoreSettings, open_store, split_uri

REQUESTS_AT_ONCE = 32
AHEAD = 1024


@dataclass(frozen=True)
class ChangedSource:
    """A finished track whose source has another etag now, or is gone or closed."""

    track_id: str
    uri: str
    is_missing: bool


def changed_sources(
    finished: pa.Table, settings: StoreSettings, on_done: Callable[[int], None]
) -> Iterator[ChangedSource]:
    """Ask the stores for the etags of all sources, 32 at a time.

    A local file that was touched or copied counts as changed, see docs/storage.md.

    Args:
        finished: rows with ``track_id``, ``uri`` and ``source_etag``.
        settings: of the stores that hold the sources.
        on_done: told how many were asked so far.

    Raises:
        StoreError: a store cannot be asked.
    """

    def ask(row: dict[str, str]) -> ChangedSource | None:
        store_uri, key = split_uri(row["uri"])
        try:
            etag = open_store(store_uri, settings).stat(key).etag
        except (ObjectMissingError, AccessDeniedError):
            # S3 denies what is missing to who may not list.
            return ChangedSource(row["track_id"], row["uri"], is_missing=True)
        if etag == row["source_etag"]:
            return None
        return ChangedSource(row["track_id"], row["uri"], is_missing=False)

    rows = (row for batch in finished.to_batches(AHEAD) for row in batch.to_pylist())
    done = 0
    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
        while asked := list(islice(rows, AHEAD)):
            yield from (found for found in pool.map(ask, asked) if found)
            done += len(asked)
            on_done(done)
