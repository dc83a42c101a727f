"""Takes tracks down: their stems and rows go, a record stays, and no later run does them again."""

import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from latentsep.catalogue.lease import Holder, Lease
from latentsep.catalogue.ledger import FORGOTTEN, Ledger, read_rejects, read_results
from latentsep.catalogue.open_rejects import forgotten_ids, is_one_of
from latentsep.catalogue.output import REPORT_KEY
from latentsep.catalogue.stem_objects import stem_prefix
from latentsep.catalogue.track_ids import check_track_id
from latentsep.errors import ConfigError, StoreError
from latentsep.storage.base import Store
from latentsep.storage.uris import is_local, local_path

REQUESTS_AT_ONCE = 16
MOST_SHOWN = 20


@dataclass(frozen=True)
class ForgottenTrack:
    """What was there of a track, and is gone.

    Attributes:
        results: result rows; one or none.
        rejects: reject rows, one for each attempt that failed.
        objects: stems of all attempts.
        bytes: their size together.
        was_forgotten: it was taken down by an earlier call, perhaps not to the end.
    """

    track_id: str
    results: int
    rejects: int
    objects: int
    bytes: int
    was_forgotten: bool

    @property
    def is_unknown(self) -> bool:
        """Whether nothing was there. It is recorded all the same: later runs will not do it."""
        return not (self.results or self.rejects or self.objects or self.was_forgotten)


def forget(store: Store, track_ids: Sequence[str], holder: Holder) -> list[ForgottenTrack]:
    """Take tracks down. Killed in between, the same call completes it.

    The record is written first, then the rows go, then the page, which may hold a few seconds of
    them, then the stems.

    Args:
        store: the output.
        track_ids: whose; repeated ones count once.
        holder: takes the lease meanwhile.

    Returns:
        One for each track, in the order given.

    Raises:
        ConfigError: an id cannot be one; nothing was done.
        LeaseHeldError: a job works on the output; nothing was done.
        LedgerError: a part of the ledger cannot be read or written.
        StoreError: stems cannot be removed.
    """
    ids = list(dict.fromkeys(track_ids))
    _must_be_ids(ids)
    with Lease.acquire(store, holder):
        wanted = pa.array(ids, pa.string())
        results = _rows_of(read_results(store, ["track_id"]), wanted)
        rejects = _rows_of(read_rejects(store, ["track_id"]), wanted)
        earlier = frozenset(forgotten_ids(store).to_pylist())
        Ledger(store, holder.job).withdraw(ids, FORGOTTEN)
        store.delete([REPORT_KEY])
        removed = _remove_all(store, ids)
    return [
        ForgottenTrack(track_id, results[track_id], rejects[track_id], *gone, track_id in earlier)
        for track_id, gone in zip(ids, removed, strict=True)
    ]


def _must_be_ids(ids: Sequence[str]) -> None:
    if not ids:
        raise ConfigError("no ids of tracks were given; nothing was removed")
    objections = [f"{text!r} {why}" for text in ids if (why := check_track_id(text))]
    if objections:
        more = len(objections) - MOST_SHOWN
        raise ConfigError(
            f"nothing was removed, since these cannot be ids of tracks: "
            f"{'; '.join(objections[:MOST_SHOWN])}{f'; and {more} more' if more > 0 else ''}"
        )


def _rows_of(parts: Iterable[pa.Table], wanted: pa.Array) -> Counter[str]:
    counts: Counter[str] = Counter()
    for part in parts:
        ids = part.column("track_id")
        counts.update(ids.filter(is_one_of(ids, wanted)).to_pylist())
    return counts


def _remove_all(store: Store, ids: Sequence[str]) -> list[tuple[int, int]]:
    pool = ThreadPoolExecutor(REQUESTS_AT_ONCE, thread_name_prefix="latentsep-forget")
    try:
        return list(pool.map(partial(_remove, store), ids))
    finally:
        pool.shutdown(cancel_futures=True)


def _remove(store: Store, track_id: str) -> tuple[int, int]:
    """Remove the stems of all attempts of a track; how many there were, and their bytes."""
    prefix = stem_prefix(track_id)
    objects = list(store.list(prefix))
    store.delete(info.key for info in objects)
    if is_local(store.uri):
        _remove_folder(store, prefix)
    return len(objects), sum(info.bytes for info in objects)


def _remove_folder(store: Store, prefix: str) -> None:
    """Remove empty folders, and temporary files of killed writers: they hold the track's audio."""
    path = local_path(store.uri) / prefix
    try:
        with suppress(FileNotFoundError):
            shutil.rmtree(path)
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be removed: {error.strerror}; remove it, or run the same command again"
        ) from error
