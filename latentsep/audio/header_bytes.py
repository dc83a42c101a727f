"""Bytes of a file's header, fetched in few small pieces and never without end."""

from collections.abc import Callable

PIECE_BYTES = 16 * 1024
MAX_FETCHES = 64
"""A header that is spread wider than this is not worth the requests."""


class HeaderBytes:
    """Reads at any place of a file; what was fetched last is not fetched again.

    Args:
        read_range: ``(start, length) -> bytes``; may give fewer bytes.
        size_bytes: of the file.
    """

    def __init__(self, read_range: Callable[[int, int], bytes], size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._read_range = read_range
        self._fetches = 0
        self._piece = b""
        self._piece_start = 0

    def at(self, start: int, count: int) -> bytes:
        """``count`` bytes from ``start``, fewer at the end of the file.

        Raises:
            ValueError: ``start`` is negative, or too much was fetched already.
        """
        if start < 0:
            raise ValueError(f"cannot read at {start}, before the start of the file")
        count = max(0, min(count, self.size_bytes - start))
        offset = start - self._piece_start
        if count and not 0 <= offset <= len(self._piece) - count:
            self._fetch(start, count)
            offset = 0
        return self._piece[offset : offset + count] if count else b""

    def _fetch(self, start: int, count: int) -> None:
        if self._fetches == MAX_FETCHES:
            raise ValueError(f"the header is not complete after {MAX_FETCHES} reads")
        self._fetches += 1
        length = min(max(count, PIECE_BYTES), self.size_bytes - start)
        self._piece, self._piece_start = self._read_range(start, length), start
