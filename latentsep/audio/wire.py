"""Records between a decoder and its child: length, JSON header, then raw bytes.

Nothing is pickled: the child handles untrusted files, so the parent must not run what it sends.
"""

import json
import struct
from typing import Any, BinaryIO

LENGTH = struct.Struct("<I")
MAX_HEADER_BYTES = 1024 * 1024


def pack_header(header: dict[str, Any]) -> bytes:
    """Length prefix and JSON of one record header."""
    body = json.dumps(header).encode()
    return LENGTH.pack(len(body)) + body


def header_bytes(prefix: bytes) -> int:
    """Length of the header announced by its prefix.

    Raises:
        ValueError: it is longer than any header we write, so the other side is out of step.
    """
    (count,) = LENGTH.unpack(prefix)
    if count > MAX_HEADER_BYTES:
        raise ValueError(f"record header of {count} bytes, at most {MAX_HEADER_BYTES} are allowed")
    return int(count)


def read_header(stream: BinaryIO) -> dict[str, Any] | None:
    """Next record header of a blocking stream; ``None`` at its end."""
    prefix = stream.read(LENGTH.size)
    if len(prefix) < LENGTH.size:
        return None
    body = stream.read(header_bytes(prefix))
    header: dict[str, Any] = json.loads(body)
    return header
