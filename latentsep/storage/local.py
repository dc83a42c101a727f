"""Local files as a store: nothing is ever visible half-written."""

import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from latentsep.errors import (
    CommitStateUnknownError,
    ObjectChangedError,
    ObjectExistsError,
    ObjectMissingError,
    StoreError,
)
from latentsep.storage.base import OWN_PREFIX, ObjectInfo, check_key, check_prefix
from latentsep.storage.local_errors import explained
from latentsep.storage.local_list import list_files

COPY_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class LocalStore:
    """Files under one folder; made when the first object is written. See ``Store``.

    Writes go to a temporary file in the target's folder, are flushed to the disk, and then get
    their name: by ``rename``, or by ``link`` where the name has to be free. ``replace_if`` takes
    a lock file in the same folder. A process killed in between leaves a file named
    ``.latentsep-*``, which is never listed and may be removed while nothing runs.

    The etag is made of the time of change, size and inode. A file that was rewritten counts as
    changed even if its bytes are the same, and so does a copy or a restored backup: the safe side,
    and no digest over hours of audio is needed. ``open`` reads the file that had the name at that
    moment: one replaced by renaming is read to its end, one changed in place is not noticed, and a
    disk that fails while it is read gives the system's OSError.

    The network file system NFS has what is needed (atomic ``link``, ``rename`` and locks).
    """

    root: Path

    @property
    def uri(self) -> str:
        """``file://`` URI of the folder."""
        return self.root.as_uri()

    def uri_of(self, key: str) -> str:
        """``file://`` URI of one file."""
        return self._path(key).as_uri()

    def read(self, key: str) -> bytes:
        """The whole file."""
        with explained(self.uri_of(key)), _regular(self._path(key)) as file:
            return file.read()

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """Part of the file, see ``Store.read_range``."""
        if start < 0 or length < 0:
            raise ValueError(f"start and length must be >= 0, got {start} and {length}")
        with explained(self.uri_of(key)), _regular(self._path(key)) as file:
            file.seek(start)
            return file.read(length)

    def open(self, key: str) -> BinaryIO:
        """The open file."""
        with explained(self.uri_of(key)):
            return _regular(self._path(key))

    def write(self, key: str, data: bytes) -> str:
        """Create or replace the file."""
        return self._put(key, lambda file: file.write(data), _rename)

    def upload(self, key: str, path: Path) -> None:
        """Copy a file into the store."""
        with explained(str(path)):
            source = _regular(path)
        with source:
            self._put(key, lambda file: shutil.copyfileobj(source, file, COPY_PIECE_BYTES), _rename)

    def create(self, key: str, data: bytes) -> str:
        """Create the file if the name is free."""
        return self._put(key, lambda file: file.write(data), _link)

    def replace_if(self, key: str, data: bytes, etag: str) -> str:
        """Replace the file if it has this etag."""
        self._must_have(key, etag)
        with explained(self.uri_of(key)), _locked(self._path(key).parent):
            self._must_have(key, etag)
            return self.write(key, data)

    def stat(self, key: str) -> ObjectInfo:
        """Size, etag and time of one file."""
        with explained(self.uri_of(key)), _regular(self._path(key)) as file:
            return _info(key, os.fstat(file.fileno()))

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Files below the folder, sorted; see ``Store.list``.

        Links to files are followed; links to folders are not, they could lead in a circle. Memory
        grows with the number of names in the largest folder, not with the number of files.
        """
        check_prefix(prefix)
        with explained(f"{self.uri}/{prefix}"):
            for key, path in list_files(self.root, prefix):
                if (status := _status_or_none(path)) is not None:
                    yield _info(key, status)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove files, not their folders; a power cut may bring the last ones back."""
        for key in keys:
            path = self._path(key)
            with explained(self.uri_of(key)), suppress(FileNotFoundError, NotADirectoryError):
                path.unlink()

    def now(self) -> datetime:
        """The time that the file system gives to a file touched now; on NFS the server's."""
        with explained(self.uri):
            self.root.mkdir(parents=True, exist_ok=True)
            path = self.root / f"{OWN_PREFIX}clock-{uuid.uuid4().hex}"
            try:
                path.touch()
                return _time(path.stat())
            finally:
                path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    def _must_have(self, key: str, etag: str) -> None:
        try:
            found = self.stat(key).etag
        except ObjectMissingError as error:
            raise ObjectChangedError(f"{self.uri_of(key)}: is gone") from error
        if found != etag:
            raise ObjectChangedError(f"{self.uri_of(key)}: etag is {found!r}, expected {etag!r}")

    def _put(
        self, key: str, fill: Callable[[BinaryIO], object], publish: Callable[[Path, Path], None]
    ) -> str:
        """Write a temporary file, flush it, give it its name, flush the folder; gives the etag."""
        target, uri = self._path(key), self.uri_of(key)
        with explained(uri):
            _make_folder(target.parent)
            with _temporary(target.parent) as (file, path):
                fill(file)
                file.flush()
                os.fsync(file.fileno())
                publish(path, target)
                etag = _etag(os.fstat(file.fileno()))
        try:
            _flush_folder(target.parent)
        except OSError as error:
            raise CommitStateUnknownError(
                f"{uri}: written, but the folder cannot be flushed to the disk: {error.strerror}"
            ) from error
        return etag


def _rename(temporary: Path, target: Path) -> None:
    temporary.replace(target)


def _link(temporary: Path, target: Path) -> None:
    try:
        os.link(temporary, target)
    except FileExistsError as error:
        # NFS repeats a request whose reply was lost: two names of our file mean that we linked it.
        if temporary.stat().st_nlink == 2:
            return
        raise ObjectExistsError(f"{target.as_uri()}: exists already") from error


def _regular(path: Path) -> BinaryIO:
    """Open a file; folders, pipes and devices are no objects."""
    if not path.is_file():
        path.stat()
        raise ObjectMissingError(f"{path.as_uri()}: is not a regular file")
    return path.open("rb")


@contextmanager
def _temporary(folder: Path) -> Iterator[tuple[BinaryIO, Path]]:
    path = folder / f"{OWN_PREFIX}{uuid.uuid4().hex}.tmp"
    # Not tempfile: its files are closed to everybody else, and the umask would not apply.
    try:
        with path.open("xb") as file:
            yield file, path
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / f"{OWN_PREFIX}lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make_folder(folder: Path) -> None:
    """Make the folder and its parents, each flushed, so that a power cut loses no name."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    if not folder.is_dir():
        raise StoreError(
            f"{folder.as_uri()}: is a file, and a part of the key needs a folder there"
        )
    for made in reversed(missing):
        made.mkdir(exist_ok=True)
        _flush_folder(made.parent)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot flush a folder; they write names through.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


def _status_or_none(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _etag(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"


def _time(status: os.stat_result) -> datetime:
    return datetime.fromtimestamp(status.st_mtime, UTC)


def _info(key: str, status: os.stat_result) -> ObjectInfo:
    return ObjectInfo(key, status.st_size, _etag(status), _time(status))
