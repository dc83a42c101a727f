"""Is a file as long as its own container says? The decoders do not tell.

libsndfile clamps a cut WAV, AIFF or Ogg to what is there and reports success, and FFmpeg ends a
cut stream quietly, so the sizes that containers declare are compared with the file here, before
decoding.
FLAC and MP3 declare frames only: they are checked by counting what was decoded.
"""

import struct
from collections.abc import Callable, Iterator
from itertools import takewhile
from typing import BinaryIO, NoReturn

from latentsep.errors import AudioDecodeError

# Written by tools that stream to a pipe and cannot go back: "until the end of the file".
UNDECLARED_DATA_BYTES = frozenset({0xFFFFFFFF, 0x7FFFF000})
MAX_CHUNKS = 100_000

Chunk = tuple[bytes, int, int]
"""Identifier, offset of the payload in bytes, declared payload size in bytes."""


def check_complete(file: BinaryIO, file_bytes: int) -> None:
    """Compare the sizes a container declares with the bytes that are there.

    Unknown containers pass: the decoder judges them.

    Raises:
        AudioDecodeError: the file ends before its container does.
    """
    file.seek(0)
    magic = file.read(12)
    for check, matches in _CHECKS:
        if matches(magic):
            check(file, file_bytes)
            return


def movie_timescale_hz(file: BinaryIO, file_bytes: int) -> int | None:
    """Ticks per second in which an MP4 file states durations; ``None`` for other containers."""
    file.seek(0)
    if file.read(12)[4:8] != b"ftyp":
        return None
    for name, start, _ in _mp4_boxes(file, 0, file_bytes):
        if name == b"moov":
            return _mvhd_timescale_hz(file, start, file_bytes)
    return None


def riff_chunk_offset(file: BinaryIO, file_bytes: int, name: bytes) -> int | None:
    """Where a chunk ahead of a WAV file's samples has its payload; ``None`` if there is none."""
    header = takewhile(lambda chunk: chunk[0] != b"data", _riff_chunks(file, file_bytes))
    return next((start for found, start, _ in header if found == name), None)


def _mvhd_timescale_hz(file: BinaryIO, moov_start: int, file_bytes: int) -> int | None:
    for name, start, _ in _mp4_boxes(file, moov_start, file_bytes):
        if name == b"mvhd":
            version = _read_at(file, start, 1)
            skip = 20 if version == b"\x01" else 12
            field = _read_at(file, start + skip, 4)
            return int.from_bytes(field, "big") if len(field) == 4 else None
    return None


def _fail_truncated(declared: int, found: int, unit: str) -> NoReturn:
    raise AudioDecodeError(
        f"truncated: the header declares {declared} {unit}, the file holds {found}; fetch it again"
    )


def _check_data(declared: int, found: int, frame_bytes: int) -> None:
    """``declared`` and ``found`` are bytes of sample data; told as frames where those are known."""
    if declared > found:
        if frame_bytes > 0:
            _fail_truncated(declared // frame_bytes, found // frame_bytes, "frames")
        _fail_truncated(declared, found, "bytes of audio")


def _read_at(file: BinaryIO, offset: int, count: int) -> bytes:
    file.seek(offset)
    return file.read(count)


def _walk(
    file: BinaryIO, start: int, end: int, parse: Callable[[bytes], tuple[bytes, int, int, int]]
) -> Iterator[Chunk]:
    """Chunks from ``start``; ``parse`` turns 32 bytes into (name, header, payload, whole size).

    A whole size of 0 means "until the end".
    """
    for _ in range(MAX_CHUNKS):
        head = _read_at(file, start, 32)
        if start >= end or len(head) < 8:
            return
        name, header_size, payload_bytes, step = parse(head)
        if step == 0:
            payload_bytes, step = end - start - header_size, end - start
        yield name, start + header_size, payload_bytes
        start += max(step, 8)
    raise AudioDecodeError(f"header has over {MAX_CHUNKS} chunks; the file is damaged")


def _riff_order(file: BinaryIO) -> str:
    return ">" if _read_at(file, 0, 4) == b"RIFX" else "<"


def _riff_chunks(file: BinaryIO, file_bytes: int) -> Iterator[Chunk]:
    order = _riff_order(file)

    def parse(head: bytes) -> tuple[bytes, int, int, int]:
        (size,) = struct.unpack_from(order + "I", head, 4)
        return head[:4], 8, size, 8 + size + size % 2

    return _walk(file, 12, file_bytes, parse)


def _check_riff(file: BinaryIO, file_bytes: int) -> None:
    order = _riff_order(file)
    frame_bytes, long_data_bytes = 0, None
    for name, start, size in _riff_chunks(file, file_bytes):
        if name == b"ds64":
            (long_data_bytes,) = struct.unpack("<Q", _read_at(file, start + 8, 8).ljust(8, b"\0"))
        elif name == b"fmt ":
            (frame_bytes,) = struct.unpack(
                order + "H", _read_at(file, start + 12, 2).ljust(2, b"\0")
            )
        elif name == b"data":
            if size in UNDECLARED_DATA_BYTES:
                size = long_data_bytes or 0
            _check_data(size, file_bytes - start, frame_bytes)
            return


def _check_w64(file: BinaryIO, file_bytes: int) -> None:
    def parse(head: bytes) -> tuple[bytes, int, int, int]:
        (size,) = struct.unpack_from("<Q", head.ljust(24, b"\0"), 16)
        return head[:4], 24, max(size - 24, 0), size + -size % 8

    frame_bytes = 0
    for name, start, size in _walk(file, 40, file_bytes, parse):
        if name == b"fmt ":
            (frame_bytes,) = struct.unpack("<H", _read_at(file, start + 12, 2).ljust(2, b"\0"))
        elif name == b"data":
            _check_data(size, file_bytes - start, frame_bytes)
            return


def _check_aiff(file: BinaryIO, file_bytes: int) -> None:
    def parse(head: bytes) -> tuple[bytes, int, int, int]:
        (size,) = struct.unpack_from(">I", head, 4)
        return head[:4], 8, size, 8 + size + size % 2

    frames = 0
    for name, start, size in _walk(file, 12, file_bytes, parse):
        if name == b"COMM":
            (frames,) = struct.unpack(">I", _read_at(file, start + 2, 4).ljust(4, b"\0"))
        elif name == b"SSND" and frames:
            _check_data(size - 8, file_bytes - start - 8, (size - 8) // frames)


def _check_au(file: BinaryIO, file_bytes: int) -> None:
    fields = _read_at(file, 4, 20).ljust(20, b"\0")
    start, size, encoding, _, channels = struct.unpack(">5I", fields)
    sample_bytes = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}.get(encoding, 0)
    if size not in UNDECLARED_DATA_BYTES:
        _check_data(size, file_bytes - start, sample_bytes * channels)


def _check_caf(file: BinaryIO, file_bytes: int) -> None:
    def parse(head: bytes) -> tuple[bytes, int, int, int]:
        (size,) = struct.unpack_from(">q", head.ljust(12, b"\0"), 4)
        return head[:4], 12, size, 12 + max(size, 0)

    frame_bytes = 0
    for name, start, size in _walk(file, 8, file_bytes, parse):
        if name == b"desc":
            packet_bytes, packet_frames = struct.unpack(
                ">2I", _read_at(file, start + 16, 8).ljust(8, b"\0")
            )
            frame_bytes = packet_bytes if packet_frames == 1 else 0
        elif name == b"data" and size >= 0:
            # The data chunk starts with a 4-byte edit count.
            _check_data(size - 4, file_bytes - start - 4, frame_bytes)
        elif size > file_bytes - start:
            _fail_truncated(size, file_bytes - start, f"bytes in its {name!r} chunk")


def _check_ogg(file: BinaryIO, file_bytes: int) -> None:
    """Pages must be whole, the last of each stream must say so, and streams must not be chained."""
    open_streams: set[bytes] = set()
    offset, last_granule, data_seen = 0, 0, False
    while (page := _read_at(file, offset, 27 + 255))[:4] == b"OggS" and len(page) > 26:
        flags, serial, segments = page[5], page[14:18], page[26]
        offset += 27 + segments + sum(page[27 : 27 + segments])
        is_first = bool(flags & 2)
        if is_first and data_seen:
            raise AudioDecodeError(
                "chained Ogg: several recordings follow each other in one file; split them first"
            )
        data_seen |= not is_first
        open_streams |= {serial} if is_first else set()
        open_streams -= {serial} if flags & 4 else set()
        last_granule = max(last_granule, struct.unpack_from("<q", page, 6)[0])
    if open_streams or offset > file_bytes:
        raise AudioDecodeError(
            "truncated: the Ogg stream declares its last page, the file ends before it "
            f"(found {min(offset, file_bytes)} bytes, up to frame {last_granule}); fetch it again"
        )


def _mp4_boxes(file: BinaryIO, start: int, file_bytes: int) -> Iterator[Chunk]:
    def parse(head: bytes) -> tuple[bytes, int, int, int]:
        size, header_size = int.from_bytes(head[:4], "big"), 8
        if size == 1:
            size, header_size = int.from_bytes(head[8:16], "big"), 16
        return head[4:8], header_size, max(size - header_size, 0), size

    return _walk(file, start, file_bytes, parse)


def _check_mp4(file: BinaryIO, file_bytes: int) -> None:
    names = set()
    for name, start, size in _mp4_boxes(file, 0, file_bytes):
        names.add(name)
        if size > file_bytes - start:
            _fail_truncated(
                size, file_bytes - start, f"bytes in its {name.decode('latin-1')!r} box"
            )
    if b"moov" not in names:
        raise AudioDecodeError(
            "truncated: the MP4 file has no 'moov' box, which tells what is in it"
        )


def _check_matroska(file: BinaryIO, file_bytes: int) -> None:
    offset = 0
    for _ in range(8):
        name, name_bytes = _ebml_number(_read_at(file, offset, 12), keep_marker=True)
        size, size_bytes = _ebml_number(_read_at(file, offset + name_bytes, 12), keep_marker=False)
        start = offset + name_bytes + size_bytes
        if not name_bytes or not size_bytes:
            return
        is_unknown = size == (1 << (7 * size_bytes)) - 1
        if not is_unknown and size > file_bytes - start:
            _fail_truncated(size, file_bytes - start, f"bytes in its element {name:#x}")
        if is_unknown:
            return
        offset = start + size


def _ebml_number(data: bytes, *, keep_marker: bool) -> tuple[int, int]:
    """Variable-length number at the start of ``data`` and its length in bytes; (0, 0) if none."""
    if not data or data[0] == 0:
        return 0, 0
    length = 9 - data[0].bit_length()
    number = int.from_bytes(data[:length], "big")
    return (number if keep_marker else number & ((1 << (7 * length)) - 1)), length


def _check_asf(file: BinaryIO, file_bytes: int) -> None:
    def parse(head: bytes) -> tuple[bytes, int, int, int]:
        (size,) = struct.unpack_from("<Q", head.ljust(24, b"\0"), 16)
        return head[:16], 24, max(size - 24, 0), size

    for _, start, size in _walk(file, 0, file_bytes, parse):
        if size > file_bytes - start:
            _fail_truncated(size, file_bytes - start, "bytes in one of its objects")


_CHECKS: tuple[tuple[Callable[[BinaryIO, int], None], Callable[[bytes], bool]], ...] = (
    (_check_riff, lambda magic: magic[:4] in (b"RIFF", b"RF64", b"RIFX") and magic[8:] == b"WAVE"),
    (_check_w64, lambda magic: magic[:8] == b"riff\x2e\x91\xcf\x11"),
    (_check_aiff, lambda magic: magic[:4] == b"FORM" and magic[8:] in (b"AIFF", b"AIFC")),
    (_check_au, lambda magic: magic[:4] == b".snd"),
    (_check_caf, lambda magic: magic[:4] == b"caff"),
    (_check_ogg, lambda magic: magic[:4] == b"OggS"),
    (_check_mp4, lambda magic: magic[4:8] == b"ftyp"),
    (_check_matroska, lambda magic: magic[:4] == b"\x1a\x45\xdf\xa3"),
    (_check_asf, lambda magic: magic[:8] == b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
)
