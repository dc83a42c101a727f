"""Length of an audio file from a few reads of its header, in pure Python.

The bytes come from anywhere, and this runs outside the decoder's sandbox: no native code sees
them. What is declared is not proved; decoding does that later.
"""

import math
import struct
from collections.abc import Callable, Iterator

from latentsep.audio.containers import UNDECLARED_DATA_BYTES
from latentsep.audio.header_bytes import HeaderBytes
from latentsep.audio.mpeg_duration import mpeg_duration_s

LONGEST_S = 30 * 24 * 3600.0
"""Nobody has recorded a longer track; a header that says so is damaged."""
MAX_CHUNKS = 1000
MAX_COUNT_ERROR = 0.2
OGG_TAIL_BYTES = 2 * 65_307
"""Two pages of the largest size: one of them is whole."""

_UNCOMPRESSED = {1, 3, 6, 7, 0xFFFE}
_MP4_STARTS = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")

_Chunk = tuple[bytes, int, int]
"""Identifier, offset of the payload, declared payload size in bytes."""


def duration_from_header(read_range: Callable[[int, int], bytes], size_bytes: int) -> float | None:
    """Length in seconds as the file declares it; None if that cannot be told.

    Reads WAV, RF64, W64, AIFF, FLAC, Ogg with Vorbis, Opus or FLAC, MP1 to MP3, and MP4 with its
    relatives. Damaged bytes give None or a wrong number, never an error. At most 64 reads of some
    16 KiB are made.

    Args:
        read_range: ``(start, length) -> bytes``; its own errors come through.
        size_bytes: of the whole file.
    """
    source = HeaderBytes(read_range, size_bytes)
    try:
        duration_s = _duration_s(source)
    except (ArithmeticError, IndexError, ValueError, struct.error):
        return None
    if duration_s is None or not math.isfinite(duration_s) or not 0 <= duration_s <= LONGEST_S:
        return None
    return duration_s


def _duration_s(source: HeaderBytes) -> float | None:
    magic = source.at(0, 12)
    if magic[:4] in (b"RIFF", b"RIFX", b"RF64") and magic[8:] == b"WAVE":
        return _wav_s(source, ">" if magic[:4] == b"RIFX" else "<")
    if magic[:8] == b"riff\x2e\x91\xcf\x11":
        return _w64_s(source)
    if magic[:4] == b"FORM" and magic[8:] in (b"AIFF", b"AIFC"):
        return _aiff_s(source)
    if magic[:4] == b"OggS":
        return _ogg_s(source)
    if magic[4:8] in _MP4_STARTS:
        return _mp4_s(source)
    start = _after_id3(source)
    if source.at(start, 4) == b"fLaC":
        return _flac_s(source.at(start + 8, 34))
    return mpeg_duration_s(source, start)


def _walk(
    source: HeaderBytes, start: int, parse: Callable[[bytes], tuple[bytes, int, int, int]]
) -> Iterator[_Chunk]:
    """Chunks; ``parse`` turns 24 bytes into (name, header, payload, whole size)."""
    for _ in range(MAX_CHUNKS):
        head = source.at(start, 24)
        if len(head) < 8:
            return
        name, header_bytes, payload_bytes, step = parse(head.ljust(24, b"\0"))
        yield name, start + header_bytes, payload_bytes
        start += max(step, 8)


def _iff_chunks(source: HeaderBytes, order: str) -> Iterator[_Chunk]:
    def parse(head: bytes) -> tuple[bytes, int, int, int]:
        (size,) = struct.unpack_from(order + "I", head, 4)
        return head[:4], 8, size, 8 + size + size % 2

    return _walk(source, 12, parse)


def _wav_s(source: HeaderBytes, order: str) -> float | None:
    layout, long_bytes, samples = b"", 0, 0
    for name, start, size in _iff_chunks(source, order):
        if name == b"ds64":
            long_bytes, samples = struct.unpack("<2Q", source.at(start + 8, 16))
        elif name == b"fmt ":
            layout = source.at(start, 16)
        elif name == b"fact" and not samples:
            (samples,) = struct.unpack(order + "I", source.at(start, 4))
        elif name == b"data":
            left = source.size_bytes - start
            declared = (long_bytes or left) if size in UNDECLARED_DATA_BYTES else size
            return _samples_s(layout, order, min(declared, left), samples)
    return None


def _w64_s(source: HeaderBytes) -> float | None:
    def parse(head: bytes) -> tuple[bytes, int, int, int]:
        (size,) = struct.unpack_from("<Q", head, 16)
        return head[:4], 24, max(size - 24, 0), size + -size % 8

    layout, samples = b"", 0
    for name, start, size in _walk(source, 40, parse):
        if name == b"fmt ":
            layout = source.at(start, 16)
        elif name == b"fact":
            (samples,) = struct.unpack("<Q", source.at(start, 8))
        elif name == b"data":
            return _samples_s(layout, "<", min(size, source.size_bytes - start), samples)
    return None


def _samples_s(layout: bytes, order: str, data_bytes: int, samples: int) -> float:
    """Length of a WAV's samples: by their bytes, or by the count that coded ones come with."""
    coding, _, rate_hz, bytes_s, frame_bytes, _ = struct.unpack(order + "2H2I2H", layout)
    if coding in _UNCOMPRESSED:
        return float(data_bytes // frame_bytes / rate_hz)
    by_rate_s, by_count_s = data_bytes / bytes_s, samples / rate_hz
    # Some writers count the samples of one channel only, or of a file that was cut later.
    is_likely = abs(by_count_s - by_rate_s) <= MAX_COUNT_ERROR * by_rate_s
    return float(by_count_s if is_likely else by_rate_s)


def _aiff_s(source: HeaderBytes) -> float | None:
    for name, start, _ in _iff_chunks(source, ">"):
        if name == b"COMM":
            _, frames, _, exponent, mantissa = struct.unpack(">HIHHQ", source.at(start, 18))
            # An 80-bit float: the rate is mantissa * 2 ** (exponent - 16383 - 63).
            return float(frames / math.ldexp(mantissa, (exponent & 0x7FFF) - 16446))
    return None


def _flac_s(stream_info: bytes) -> float | None:
    packed = int.from_bytes(stream_info[10:18], "big")
    rate_hz, samples = packed >> 44, packed & ((1 << 36) - 1)
    return samples / rate_hz if samples else None


def _after_id3(source: HeaderBytes) -> int:
    """Where the audio starts: some tools put several tags before it."""
    start = 0
    while (head := source.at(start, 10))[:3] == b"ID3" and len(head) == 10:
        size = 0
        for byte in head[6:]:
            size = size << 7 | byte & 0x7F
        has_footer = head[5] & 0x10
        start += 10 + size + (10 if has_footer else 0)
    return start


def _ogg_s(source: HeaderBytes) -> float | None:
    for serial, packet in _ogg_streams(source):
        if (timing := _ogg_timing(packet)) is None:
            continue
        rate_hz, skipped = timing
        last = _last_granule(source, serial)
        return None if last is None else max(0, last - skipped) / rate_hz
    return None


def _ogg_streams(source: HeaderBytes) -> Iterator[tuple[bytes, bytes]]:
    """Serial number and first packet of each stream."""
    start = 0
    while (page := source.at(start, 27 + 255))[:4] == b"OggS" and page[5] & 2:
        header_bytes = 27 + page[26]
        size = sum(page[27:header_bytes])
        yield page[14:18], source.at(start + header_bytes, min(size, 64))
        start += header_bytes + size


def _ogg_timing(packet: bytes) -> tuple[int, int] | None:
    """Granules per second, and how many come before the first sample."""
    if packet.startswith(b"\x01vorbis"):
        return int.from_bytes(packet[12:16], "little"), 0
    if packet.startswith(b"OpusHead"):
        return 48_000, int.from_bytes(packet[10:12], "little")
    if packet.startswith(b"\x7fFLAC"):
        return int.from_bytes(packet[27:30], "big") >> 4, 0
    return None


def _last_granule(source: HeaderBytes, serial: bytes) -> int | None:
    tail = source.at(max(0, source.size_bytes - OGG_TAIL_BYTES), OGG_TAIL_BYTES)
    end = len(tail)
    while (start := tail.rfind(b"OggS", 0, end)) != -1:
        page = tail[start : start + 18]
        granule = int.from_bytes(page[6:14], "little", signed=True)
        # -1: no packet ends on this page.
        if page[14:18] == serial and granule >= 0:
            return granule
        end = start + 3
    return None


def _mp4_boxes(source: HeaderBytes, start: int) -> Iterator[_Chunk]:
    def parse(head: bytes) -> tuple[bytes, int, int, int]:
        size, header_bytes = int.from_bytes(head[:4], "big"), 8
        if size == 1:
            size, header_bytes = int.from_bytes(head[8:16], "big"), 16
        # 0: to the end of the file.
        size = size or source.size_bytes
        return head[4:8], header_bytes, max(size - header_bytes, 0), size

    return _walk(source, start, parse)


def _mp4_s(source: HeaderBytes) -> float | None:
    moov = next((start for name, start, _ in _mp4_boxes(source, 0) if name == b"moov"), None)
    if moov is None:
        return None
    mvhd = next((start for name, start, _ in _mp4_boxes(source, moov) if name == b"mvhd"), None)
    return None if mvhd is None else _mvhd_s(source.at(mvhd, 32))


def _mvhd_s(fields: bytes) -> float | None:
    if fields[0] == 1:
        ticks_s, ticks = struct.unpack_from(">IQ", fields, 20)
        undeclared = 0xFFFFFFFFFFFFFFFF
    else:
        ticks_s, ticks = struct.unpack_from(">2I", fields, 12)
        undeclared = 0xFFFFFFFF
    # A fragmented file says 0 here.
    return None if ticks in (0, undeclared) else float(ticks / ticks_s)
