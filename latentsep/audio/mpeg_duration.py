"""Length of an MPEG audio stream (MP1, MP2, MP3) from its first frames, in pure Python."""

import struct
from dataclasses import dataclass

from latentsep.audio.header_bytes import PIECE_BYTES, HeaderBytes

_RATES_HZ = (44_100, 48_000, 32_000)
# kbit/s by (MPEG 1?, layer); index 0 is "free" and 15 forbidden, neither can be measured.
_KBIT_S = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_LEAST_FRAMES = 3
"""So many frames in a row, or as many as fit, are no accident."""
_ID3V1_BYTES = 128
_WRITERS_OF_DELAY = (b"LAME", b"Lavf", b"Lavc")


@dataclass(frozen=True)
class _Frame:
    is_mpeg1: bool
    layer: int
    rate_hz: int
    is_mono: bool
    bytes: int

    @property
    def samples(self) -> int:
        if self.layer == 1:
            return 384
        return 1152 if self.layer == 2 or self.is_mpeg1 else 576

    def is_like(self, other: "_Frame") -> bool:
        mine = (self.is_mpeg1, self.layer, self.rate_hz)
        return mine == (other.is_mpeg1, other.layer, other.rate_hz)


def mpeg_duration_s(source: HeaderBytes, start: int) -> float | None:
    """Length in seconds, or None if no frames follow ``start`` soon.

    Exact where a Xing or VBRI header counts the frames; else from the size of the file and the
    bit rate of the first frames.
    """
    piece = source.at(start, PIECE_BYTES)
    for offset in _sync_offsets(piece):
        frames = _frames(piece, offset)
        if _is_stream(frames, len(piece) - offset):
            first = frames[0]
            counted = _counted_samples(piece[offset : offset + 256], first)
            if counted is not None:
                return counted / first.rate_hz
            return _estimated_s(frames, _end(source) - start - offset)
    return None


def _sync_offsets(piece: bytes) -> list[int]:
    offsets, offset = [], piece.find(b"\xff")
    while offset != -1:
        offsets.append(offset)
        offset = piece.find(b"\xff", offset + 1)
    return offsets


def _frames(piece: bytes, offset: int) -> list[_Frame]:
    """Frames that follow each other without a hole from ``offset`` on."""
    frames: list[_Frame] = []
    while frame := _frame(piece[offset : offset + 4]):
        if frames and not frame.is_like(frames[0]):
            break
        frames.append(frame)
        offset += frame.bytes
    return frames


def _is_stream(frames: list[_Frame], bytes_left: int) -> bool:
    if not frames:
        return False
    covered = sum(frame.bytes for frame in frames)
    return len(frames) >= _LEAST_FRAMES or covered == bytes_left


def _frame(head: bytes) -> _Frame | None:
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    bit_rate, rate = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or bit_rate in (0, 15) or rate == 3:
        return None
    is_mpeg1 = version == 3
    rate_hz = _RATES_HZ[rate] // {3: 1, 2: 2, 0: 4}[version]
    bits_s = 1000 * _KBIT_S[is_mpeg1, layer][bit_rate - 1]
    padding = head[2] >> 1 & 1
    if layer == 1:
        size = (12 * bits_s // rate_hz + padding) * 4
    else:
        size = (144 if layer == 2 or is_mpeg1 else 72) * bits_s // rate_hz + padding
    return _Frame(is_mpeg1, layer, rate_hz, is_mono=head[3] >> 6 == 3, bytes=size)


def _counted_samples(frame: bytes, about: _Frame) -> int | None:
    """Samples by the header that encoders put into the first frame."""
    if frame[36:40] == b"VBRI":
        (count,) = struct.unpack_from(">I", frame, 36 + 14)
        return int(count) * about.samples
    side_bytes = {(True, False): 32, (True, True): 17, (False, False): 17, (False, True): 9}
    offset = 4 + side_bytes[about.is_mpeg1, about.is_mono]
    if frame[offset : offset + 4] not in (b"Xing", b"Info"):
        return None
    (flags,) = struct.unpack_from(">I", frame, offset + 4)
    if not flags & 1:
        return None
    (count,) = struct.unpack_from(">I", frame, offset + 8)
    sizes = ((1, 4), (2, 4), (4, 100), (8, 4))
    encoder = offset + 8 + sum(size for bit, size in sizes if flags & bit)
    return max(0, int(count) * about.samples - _added_samples(frame[encoder : encoder + 24]))


def _added_samples(encoder: bytes) -> int:
    """Silence that the encoder put before and after the audio."""
    if not encoder.startswith(_WRITERS_OF_DELAY) or len(encoder) < 24:
        return 0
    both = int.from_bytes(encoder[21:24], "big")
    return (both >> 12) + (both & 0xFFF)


def _estimated_s(frames: list[_Frame], stream_bytes: int) -> float:
    mean_bytes = sum(frame.bytes for frame in frames) / len(frames)
    return stream_bytes / mean_bytes * frames[0].samples / frames[0].rate_hz


def _end(source: HeaderBytes) -> int:
    end = source.size_bytes
    has_tag = end >= _ID3V1_BYTES and source.at(end - _ID3V1_BYTES, 3) == b"TAG"
    return end - _ID3V1_BYTES if has_tag else end
