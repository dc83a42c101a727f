"""From the URI of a source to a local file that the decoder child can open."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from latentsep.audio.decode import LocalFile
from latentsep.errors import ObjectChangedError, SourceChangedError, StoreError
from latentsep.storage import StoreSettings, open_store, split_uri
from latentsep.storage.uris import is_local, local_path

PIECE_BYTES = 1024 * 1024
_LocalCopy: TypeAlias = "tempfile._TemporaryFileWrapper[bytes]"


@dataclass(frozen=True)
class FetchedSource:
    """A source that lies on a local disk, and what identifies its bytes."""

    file: LocalFile
    bytes: int
    sha256: str
    etag: str


@contextmanager
def fetched(uri: str, settings: StoreSettings, folder: Path) -> Iterator[FetchedSource]:
    """A local file with the bytes of an object; a copy below ``folder`` is removed at the end.

    Files that are local already are read in place. That they stayed the same is checked at the end;
    objects of other stores are fetched on the condition that they do.

    Raises:
        StoreError: the object is missing or cannot be read.
        SourceChangedError: it was replaced meanwhile.
    """
    store_uri, key = split_uri(uri)
    store = open_store(store_uri, settings)
    if is_local(uri):
        before = store.stat(key)
        path = local_path(uri)
        with store.open(key) as stream:
            size, digest = _copied(stream, lambda piece: None)
        yield FetchedSource(LocalFile(path, uri), size, digest, before.etag)
        if store.stat(key).etag != before.etag:
            raise _changed(uri)
        return
    with _local_copy(folder) as copy:
        try:
            # Opened first: every later range is asked for on condition of the etag at opening, so
            # an object replaced in between fails and is never taken for the one described.
            with store.open(key) as stream:
                info = store.stat(key)
                size, digest = _copied(stream, lambda piece: _write(copy, piece))
        except ObjectChangedError as error:
            raise _changed(uri) from error
        yield FetchedSource(LocalFile(Path(copy.name), uri), size, digest, info.etag)


@contextmanager
def _local_copy(folder: Path) -> Iterator[_LocalCopy]:
    """An empty file; unbuffered, so that a full disk shows at a write and not when it is closed."""
    try:
        file = tempfile.NamedTemporaryFile(prefix="source-", dir=folder, buffering=0)  # noqa: SIM115
    except OSError as error:
        raise _does_not_fit(folder, error) from error
    with file:
        yield file


def _copied(stream: BinaryIO, write: Callable[[bytes], None]) -> tuple[int, str]:
    """Hand on a stream piece by piece; its size in bytes and SHA-256."""
    digest, size = hashlib.sha256(), 0
    while piece := stream.read(PIECE_BYTES):
        digest.update(piece)
        size += len(piece)
        write(piece)
    return size, digest.hexdigest()


def _write(target: _LocalCopy, piece: bytes) -> None:
    left = memoryview(piece)
    try:
        while left:
            left = left[target.write(left) :]
    except OSError as error:
        raise _does_not_fit(Path(target.name), error) from error


def _does_not_fit(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path}: the source does not fit on the local disk: {error.strerror}; "
        "free space there or set workers.work_folder",
        retryable=True,
    )


def _changed(uri: str) -> SourceChangedError:
    return SourceChangedError(
        f"{uri}: was replaced while it was separated; a rerun takes the new one"
    )
