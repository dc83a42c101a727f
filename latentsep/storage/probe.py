"""Finds out whether a server keeps the promises that the ledger stands on."""

import contextlib
import uuid
from collections.abc import Callable

from latentsep.errors import ObjectChangedError, ObjectExistsError, StoreError
from latentsep.storage.base import Store


def probe(store: Store) -> None:
    """Create, create again, replace and replace by a stale etag; leaves nothing behind.

    Some servers answer a conditional put as if there were no condition: two drivers would then
    both commit the same part. This finds out with six requests, before any work is done.

    Raises:
        StoreError: the server ignores or does not know conditional puts, or a request failed.
    """
    key = f"probe-{uuid.uuid4().hex}"
    try:
        first = store.create(key, b"1")
        _must_raise(ObjectExistsError, lambda: store.create(key, b"2"), store.uri, "If-None-Match")
        _replace_current(store, key, first)
        _must_raise(
            ObjectChangedError, lambda: store.replace_if(key, b"4", first), store.uri, "If-Match"
        )
        if store.read(key) != b"3":
            raise StoreError(f"{store.uri}: the server does not give back what was written")
    finally:
        with contextlib.suppress(StoreError):
            store.delete([key])


def _replace_current(store: Store, key: str, etag: str) -> None:
    try:
        store.replace_if(key, b"3", etag)
    except ObjectChangedError as error:
        raise StoreError(
            f"{store.uri}: the server refuses a put with If-Match of the current etag; "
            "use another server or a local folder for the output"
        ) from error


def _must_raise(kind: type[StoreError], write: Callable[[], str], uri: str, condition: str) -> None:
    try:
        write()
    except kind:
        return
    raise StoreError(
        f"{uri}: the server ignores {condition} on a put, so that two writers could both win; "
        "use another server or a local folder for the output"
    )
