"""The length that an MP3 file declares, in the Xing or Info header that encoders put first."""

from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

_SEARCH_BYTES = 4096
_FRAMES_FLAG, _BYTES_FLAG, _TABLE_FLAG, _QUALITY_FLAG = 1, 2, 4, 8
_DELAY_OFFSET = 21


@dataclass(frozen=True)
class Mp3Length:
    """Declared length of an MP3 file.

    Attributes:
        frames: samples per channel, without the encoder's delay and padding where those are known.
        tolerance_frames: by how much writers of such headers are known to be off.
        file_bytes: size of the whole file up to the last frame; 0 where it is not declared.
    """

    frames: int
    tolerance_frames: int
    file_bytes: int


def mp3_length(file: BinaryIO) -> Mp3Length | None:
    """Declared length; ``None`` where the file has no Xing or Info header with a frame count."""
    start = _id3_bytes(file)
    file.seek(start)
    head = file.read(_SEARCH_BYTES)
    sync = _find_sync(head)
    tag = max(head.find(b"Xing", sync), head.find(b"Info", sync))
    if sync < 0 or not sync < tag < sync + 64 or len(head) < tag + 160:
        return None
    flags = int.from_bytes(head[tag + 4 : tag + 8], "big")
    if not flags & _FRAMES_FLAG:
        return None
    samples_per_frame = 1152 if head[sync + 1] & 0x08 else 576
    frames = int.from_bytes(head[tag + 8 : tag + 12], "big") * samples_per_frame
    trimmed = _delay_and_padding(head, tag, flags)
    # Encoders that write no delay often count the header's own frame too.
    audio_bytes = int.from_bytes(head[tag + 12 : tag + 16], "big") if flags & _BYTES_FLAG else 0
    file_bytes = start + sync + audio_bytes if audio_bytes else 0
    return Mp3Length(frames - trimmed, 0 if trimmed else samples_per_frame, file_bytes)


def _id3_bytes(file: BinaryIO) -> int:
    """Bytes of the ID3v2 tag at the start of the file."""
    file.seek(0)
    head = file.read(10)
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    return 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9])


def _find_sync(head: bytes) -> int:
    """Offset of the first MPEG frame header; -1 if there is none."""
    pairs = pairwise(head)
    return next((at for at, (a, b) in enumerate(pairs) if a == 0xFF and b & 0xE0 == 0xE0), -1)


def _delay_and_padding(head: bytes, tag: int, flags: int) -> int:
    """Samples that the LAME extension says the encoder added at both ends."""
    extension = tag + 8
    for flag, size in ((_FRAMES_FLAG, 4), (_BYTES_FLAG, 4), (_TABLE_FLAG, 100), (_QUALITY_FLAG, 4)):
        extension += size if flags & flag else 0
    if not head[extension : extension + 4].isalnum():
        return 0
    field = int.from_bytes(head[extension + _DELAY_OFFSET : extension + _DELAY_OFFSET + 3], "big")
    return (field >> 12) + (field & 0xFFF)
