"""A file-like view of an object that is fetched piece by piece."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from latentsep.errors import StoreError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

FIRST_FETCH_BYTES = 64 * 1024
LARGEST_FETCH_BYTES = 4 * 1024 * 1024


class RangeReader(io.RawIOBase):
    """Seekable reader over ``fetch(start, length) -> bytes``; wrap it in ``io.BufferedReader``.

    A header costs one small request; who reads on gets pieces that double up to 4 MiB, and a jump
    starts small again. At most two such pieces are in memory.
    """

    def __init__(self, name: str, size: int, fetch: Callable[[int, int], bytes]) -> None:
        super().__init__()
        self.name = name
        self._size = size
        self._fetch = fetch
        self._position = 0
        self._piece = b""
        self._piece_start = 0
        self._fetch_bytes = FIRST_FETCH_BYTES

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """The position, in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move without a request."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"cannot seek to {base + offset}, before the start")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill part of the buffer from the piece at hand, after fetching one if needed."""
        if self._position >= self._size:
            return 0
        offset = self._position - self._piece_start
        if not 0 <= offset < len(self._piece):
            self._fetch_piece()
            offset = 0
        view = memoryview(buffer).cast("B")
        copied = self._piece[offset : offset + len(view)]
        view[: len(copied)] = copied
        self._position += len(copied)
        return len(copied)

    def _fetch_piece(self) -> None:
        reads_on = self._position == self._piece_start + len(self._piece) and self._piece
        self._fetch_bytes = (
            min(2 * self._fetch_bytes, LARGEST_FETCH_BYTES) if reads_on else FIRST_FETCH_BYTES
        )
        length = min(self._fetch_bytes, self._size - self._position)
        piece = self._fetch(self._position, length)
        if len(piece) != length:
            raise StoreError(
                f"{self.name}: {len(piece)} bytes came at {self._position}, not {length}",
                retryable=True,
            )
        self._piece, self._piece_start = piece, self._position
