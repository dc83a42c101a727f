"""What a file says about itself before any sample is decoded."""

from dataclasses import dataclass, field


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
