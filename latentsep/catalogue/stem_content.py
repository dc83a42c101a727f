"""Reads stems back and compares them with what their rows say."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, BinaryIO

from latentsep.audio.decode import Decoder, LocalFile
from latentsep.errors import AudioDecodeError, ObjectMissingError, StoreError
from latentsep.storage.base import Store
from latentsep.storage.uris import is_local, local_path

PIECE_BYTES = 1024 * 1024
COUNTED_CODECS = ("flac", "wav")
"""The others are padded to whole packets, and their headers count the padding or nothing."""


@dataclass(frozen=True)
class ExpectedStem:
    """What a result row says of one stem."""

    track_id: str
    key: str
    bytes: int
    sha256: str
    codec: str
    sample_rate_hz: int
    frames: int


class StemReader:
    """Checks the content of stems; any number of threads may use one.

    Args:
        store: the output.
        work_folder: for copies of stems that do not lie on this machine.
    """

    def __init__(self, store: Store, work_folder: Path) -> None:
        self._store = store
        self._work_folder = work_folder
        self._decoders: SimpleQueue[Decoder] = SimpleQueue()

    def close(self) -> None:
        """End the decoder children."""
        while not self._decoders.empty():
            self._decoders.get().close()

    def problem(self, stem: ExpectedStem) -> tuple[str, str] | None:
        """What is wrong with a stem: the kind of problem, and a text for people.

        Raises:
            StoreError: whether anything is wrong cannot be seen now.
        """
        try:
            with self._fetched(stem.key) as (path, digest):
                if digest != stem.sha256:
                    return "sha256", f"sha256 is {digest}, the row says {stem.sha256}"
                return self._header_problem(stem, path)
        except ObjectMissingError:
            return "missing", "there is no such object"
        except StoreError as error:
            if error.retryable:
                raise
            return "unreadable", f"cannot be read: {error}"

    def _header_problem(self, stem: ExpectedStem, path: Path) -> tuple[str, str] | None:
        try:
            with self._decoder() as decoder:
                info = decoder.probe(LocalFile(path, self._store.uri_of(stem.key)))
        except AudioDecodeError as error:
            return "header", f"cannot be decoded: {error}"
        if info.sample_rate_hz != stem.sample_rate_hz:
            return "header", f"is of {info.sample_rate_hz} Hz, the row says {stem.sample_rate_hz}"
        if stem.codec in COUNTED_CODECS and info.frames != stem.frames:
            return "header", f"has {info.frames} frames, the row says {stem.frames}"
        return None

    @contextmanager
    def _fetched(self, key: str) -> Iterator[tuple[Path, str]]:
        """A local file with the object's bytes, and their SHA-256."""
        uri = self._store.uri_of(key)
        if is_local(uri):
            with self._store.open(key) as stream:
                digest = _digest(stream, lambda piece: None)
            yield local_path(uri), digest
            return
        with _temporary(self._work_folder) as copy:
            with self._store.open(key) as stream:
                digest = _digest(stream, partial(_write, copy))
            yield Path(copy.name), digest

    @contextmanager
    def _decoder(self) -> Iterator[Decoder]:
        try:
            decoder = self._decoders.get_nowait()
        except Empty:
            decoder = Decoder()
        try:
            yield decoder
        finally:
            self._decoders.put(decoder)


def _digest(stream: BinaryIO, on_piece: Callable[[bytes], None]) -> str:
    digest = hashlib.sha256()
    while piece := _read(stream):
        digest.update(piece)
        on_piece(piece)
    return digest.hexdigest()


def _read(stream: BinaryIO) -> bytes:
    try:
        return stream.read(PIECE_BYTES)
    except OSError as error:
        raise StoreError(f"its disk fails: {error.strerror}") from error


def _temporary(folder: Path) -> IO[bytes]:
    try:
        return tempfile.NamedTemporaryFile(prefix="stem-", dir=folder)
    except OSError as error:
        raise _no_room(folder, error) from error


def _write(target: IO[bytes], piece: bytes) -> None:
    try:
        target.write(piece)
        target.flush()
    except OSError as error:
        raise _no_room(Path(target.name), error) from error


def _no_room(path: Path, error: OSError) -> StoreError:
    """This machine's disk is full or closed, which is no fault of the stem."""
    return StoreError(
        f"{path}: a stem cannot be copied to the local disk: {error.strerror}; free space there "
        "or set TMPDIR",
        retryable=True,
    )
