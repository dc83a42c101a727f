"""What every store can do, whoever keeps the bytes."""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from latentsep.errors import InvalidKeyError

OWN_PREFIX = ".latentsep-"
"""Names of this prefix are the store's own (temporary files, locks): refused and never listed."""

MAX_KEY_BYTES = 1024


@dataclass(frozen=True)
class ObjectInfo:
    """One object as its store describes it.

    Attributes:
        key: relative to the store, parts separated by ``/``.
        bytes: its size.
        etag: changes whenever the bytes change, and is otherwise opaque. S3: the server's ETag
            without quotes, a digest for objects written in one piece. Local: time of change, size
            and inode, so that it also changes when the same bytes are written again.
        modified_at: when it was written, by the store's clock, UTC.
    """

    key: str
    bytes: int
    etag: str
    modified_at: datetime


class Store(Protocol):
    """Objects under one URI; keys are relative to it and cannot leave it.

    A reader sees a whole object or none. What was written is durable when the method returns, and
    what was written or deleted is seen by every later read and listing. Stores are picklable, may
    be used by many threads, and retry within bounds before they raise. Methods raise ``StoreError``
    or one of its kinds, see ``latentsep.errors``; ``InvalidKeyError`` before anything is asked.
    """

    @property
    def uri(self) -> str:
        """Where the store is rooted, without a slash at the end."""

    def uri_of(self, key: str) -> str:
        """Full URI of one object; ``split_uri`` and ``open_uri`` take it."""

    def read(self, key: str) -> bytes:
        """The whole object.

        Raises:
            ObjectMissingError: there is none.
        """

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``start`` on; shorter, or empty, past the object's end.

        Raises:
            ObjectMissingError: there is none.
            ValueError: ``start`` or ``length`` is negative.
        """

    def open(self, key: str) -> BinaryIO:
        """Seekable reader that holds a few MiB at most, whatever the object's size.

        Raises:
            ObjectMissingError: there is none.
            ObjectChangedError: from the reader's methods, if the object was replaced meanwhile
                and the older bytes cannot be had any more.
        """

    def write(self, key: str, data: bytes) -> str:
        """Create or replace the object; returns its etag. The last writer wins."""

    def create(self, key: str, data: bytes) -> str:
        """Create the object if there is none, atomically among all writers; returns its etag.

        Raises:
            ObjectExistsError: there is one, written by somebody else or by an earlier call.
            WriteConflictError: writers collided and this one was not carried out; try again.
            CommitStateUnknownError: a reply was lost. Read the object: if it holds ``data``, this
                call won; if it is missing, create it again; otherwise another writer won.
        """

    def replace_if(self, key: str, data: bytes, etag: str) -> str:
        """Replace the object if its etag is ``etag``; returns the new one.

        Atomic among ``create`` and ``replace_if``. ``data`` has to differ from every earlier
        content (a counter or a random token in it): on S3 equal bytes have equal etags.

        Raises:
            ObjectChangedError: it has another etag, or there is no object.
            WriteConflictError: as for ``create``.
            CommitStateUnknownError: a reply was lost; read the object and compare.
        """

    def upload(self, key: str, path: Path) -> None:
        """Create or replace the object from a local file, in bounded memory.

        Nothing is visible under the key before the last byte; a failure leaves nothing behind.
        """

    def stat(self, key: str) -> ObjectInfo:
        """Size, etag and time of one object.

        Raises:
            ObjectMissingError: there is none.
        """

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key starts with ``prefix``, sorted by the UTF-8 bytes of the key.

        Keys that ``check_key`` would refuse are listed too, so that none is lost unseen; objects
        whose key ends in ``/`` (folder marks of some tools) are not.
        """

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; those that do not exist are passed over."""

    def now(self) -> datetime:
        """The store's own clock, UTC, to the second; never this machine's.

        Leases expire by it. Servers behind one address may differ by a second or so.
        """


def check_key(key: str) -> str:
    """Give the key back if every store can hold it and none reads it as another place.

    Raises:
        InvalidKeyError: the key is empty, absolute or longer than 1,024 bytes; has an empty part,
            ``.`` or ``..`` as a part, a backslash, a control character or a surrogate; or
            is one of the store's own names.
    """
    if reason := _objection(key, key.split("/")):
        raise InvalidKeyError(
            f"key {key!r} {reason}; keys are relative, like 'results/part-00000001.parquet'"
        )
    return key


def check_prefix(prefix: str) -> str:
    """Give a listing prefix back; it may be empty and may end in a slash or within a part.

    Raises:
        InvalidKeyError: as for ``check_key``.
    """
    parts = prefix.split("/")
    whole = parts[:-1] if parts[-1] == "" else parts
    if whole and (reason := _objection(prefix, whole)):
        raise InvalidKeyError(f"prefix {prefix!r} {reason}; prefixes are relative, like 'results/'")
    return prefix


def is_own_name(key: str) -> bool:
    """Whether a key names the store's own temporary files or locks."""
    return any(part.startswith(OWN_PREFIX) for part in key.split("/"))


def _objection(text: str, parts: list[str]) -> str | None:
    if text.startswith("/"):
        return "is absolute"
    if "" in parts:
        return "is empty" if not text else "has an empty part"
    if "." in parts or ".." in parts:
        return "has '.' or '..' as a part"
    if "\\" in text or any(unicodedata.category(character) == "Cc" for character in text):
        return "has a backslash or a control character"
    return _objection_to_names(text)


def _objection_to_names(text: str) -> str | None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "is not UTF-8"
    if size > MAX_KEY_BYTES:
        return f"is {size} bytes long, allowed are {MAX_KEY_BYTES}"
    return f"has a part that starts with {OWN_PREFIX!r}" if is_own_name(text) else None
