"""What a file says about itself before any sample is decoded."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class SourceInfo:
    """Format of one audio source, as its header declares it.

    Attributes:
        container: file format in lower case: ``wav``, ``flac``, ``mp3``, ``mov``, ``matroska``...
        codec: sample coding in lower case: ``pcm_16``, ``float``, ``vorbis``, ``aac``, ``alac``...
        sample_rate_hz: samples per second of one channel.
        channels: number of channels.
        bit_depth: bits of one integer sample; ``None`` for float and lossy codings.
        is_float: samples are stored as floating point numbers.
        is_lossless: the stored samples are those that were written.
        frames: samples per channel that the header declares; ``None`` where it does not, or only
            rounded (MP4 edit lists in milliseconds, Matroska): count what you read.
        duration_s: declared duration; an estimate of the container where ``frames`` is ``None``.
        tags: title, artist, album, date, tracknumber, genre, comment, copyright... where present.
    """

    container: str
    codec: str
    sample_rate_hz: int
    channels: int
    bit_depth: int | None
    is_float: bool
    is_lossless: bool
    frames: int | None
    duration_s: float | None = None
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def is_integer(self) -> bool:
        """Samples are integers on a grid of ``2 ** -(bit_depth - 1)``."""
        return self.is_lossless and not self.is_float and self.bit_depth is not None

    def to_json(self) -> str:
        """One JSON object with a key per attribute."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "SourceInfo":
        """Inverse of ``to_json``.

        Raises:
            TypeError: a key is missing or unknown.
        """
        values: dict[str, Any] = json.loads(text)
        return cls(**values)
