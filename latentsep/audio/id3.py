"""ID3v2.4 tags in UTF-8. LAME, inside libsndfile, takes UTF-8 text for Latin-1 and garbles it."""

from collections.abc import Mapping
from types import MappingProxyType

_FRAME_IDS = MappingProxyType(
    {
        "title": "TIT2", "artist": "TPE1", "album": "TALB", "date": "TDRC", "tracknumber": "TRCK",
        "genre": "TCON", "copyright": "TCOP",
    }
)  # fmt: skip
_UTF8 = b"\x03"


def id3_tag(tags: Mapping[str, str]) -> bytes:
    """Tag to put before the first MP3 frame; empty without any tag that ID3 has a place for."""
    frames = b"".join(
        _frame(frame_id, _UTF8 + tags[name].encode())
        for name, frame_id in _FRAME_IDS.items()
        if tags.get(name)
    )
    if tags.get("comment"):
        # Language "und"efined, then an empty description.
        frames += _frame("COMM", _UTF8 + b"und\0" + tags["comment"].encode())
    return b"ID3\x04\x00\x00" + _synchsafe(len(frames)) + frames if frames else b""


def _frame(frame_id: str, payload: bytes) -> bytes:
    return frame_id.encode() + _synchsafe(len(payload)) + b"\0\0" + payload


def _synchsafe(number: int) -> bytes:
    """Four bytes of seven bits, which never look like the start of an MP3 frame."""
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))
