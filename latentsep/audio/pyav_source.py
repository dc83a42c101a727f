"""Reads through FFmpeg what libsndfile does not: MP3, MP4 (AAC, ALAC), WebM, Matroska, WMA..."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import av
import numpy as np

from latentsep.audio.containers import movie_timescale_hz
from latentsep.audio.limits import DecodeLimits
from latentsep.audio.mpeg import mp3_length
from latentsep.audio.source import SourceInfo
from latentsep.audio.waveform import Waveform
from latentsep.errors import AudioDecodeError

# Only self-contained files: no playlists, no images, and no protocol that leaves the file.
DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mp3,aac,asf,flac,wav,w64,aiff,caf,ogg,wv,ape,tta,ac3,"
    "eac3,avi,mpegts"
)
# These state the frame count in their header, to the sample.
EXACT_CONTAINERS = frozenset({"mov", "flac", "wav", "w64", "aiff", "caf", "wv", "ape", "tta"})
# Encoders fill up their last codec frames; the largest figure a LAME tag can state is 4095.
MAX_PADDING_FRAMES = 8192
LOSSLESS_CODECS = frozenset({"flac", "alac", "wavpack", "ape", "tta", "mlp", "truehd"})
TAG_NAMES = MappingProxyType({"track": "tracknumber", "year": "date", "description": "comment"})


class PyavSource:
    """First audio stream of one file opened by FFmpeg, read forwards in blocks.

    Encoder delay is skipped by FFmpeg from the container's edit list, pre-skip or LAME tag. Padding
    at the end is cut here, at the length that the last packet and the edit list declare.
    """

    def __init__(self, path: Path, limits: DecodeLimits, demuxer: str | None = None) -> None:
        try:
            self._container = av.open(
                f"file:{path}",
                format=demuxer,
                options={"format_whitelist": DEMUXERS, "protocol_whitelist": "file"},
                metadata_errors="replace",
            )
        except (av.error.FFmpegError, ValueError) as error:
            raise AudioDecodeError(
                f"not audio that can be read (FFmpeg: {_reason(error)})"
            ) from error
        self._container_name = self._container.format.name.split(",")[0]
        self._frames_decoded = 0
        self._frames = self._decoded_frames()
        self._next = self._next_frame()
        if self._next is None:
            raise AudioDecodeError("the audio stream holds no frames")
        self._rate_hz, self._channels = self._next.sample_rate, self._next.layout.nb_channels
        limits.check_format(self._rate_hz, self._channels)
        self._declared_frames, self._tolerance_frames = self._declared_length(path)
        self.info = self._describe()

    def read(self, max_frames: int) -> Waveform:
        """Next block ``[channel, sample]`` float32; empty at the end.

        Whole codec frames are kept, so a block may be up to one codec frame over ``max_frames``.

        Raises:
            AudioDecodeError: the data are damaged, change format midway, or end too early.
        """
        while self._next is not None:
            block = self._cut_padding(self._decode_block(max_frames))
            if block.shape[1] > 0:
                return block
        self._check_length()
        return np.zeros((self._channels, 0), np.float32)

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _decoded_frames(self) -> Iterator[av.AudioFrame]:
        if not self._container.streams.audio:
            raise AudioDecodeError("the file holds no audio stream")
        stream = self._container.streams.audio[0]
        # PyAV's types leave out that a stream of unknown codec has no context.
        if getattr(stream, "codec_context", None) is None:
            raise AudioDecodeError("the codec of its audio stream is unknown")
        # One thread: more would cost address space per core of the machine.
        stream.codec_context.thread_count = 1
        if (self._container_name, stream.codec_context.name) == ("caf", "alac"):
            # FFmpeg would cut the padding off a last packet that holds none.
            stream.codec_context.flags2 |= av.codec.context.Flags2.skip_manual
        self._stream = stream
        for packet in self._container.demux(stream):
            yield from packet.decode()

    def _decode_block(self, max_frames: int) -> Waveform:
        blocks: list[Waveform] = []
        wanted = self._frames_decoded + max_frames
        while self._next is not None and self._frames_decoded < wanted:
            frame, self._next = self._next, self._next_frame()
            blocks.append(self._samples(frame))
            self._frames_decoded += blocks[-1].shape[1]
        return np.concatenate(blocks, axis=1)

    def _next_frame(self) -> av.AudioFrame | None:
        try:
            return next((frame for frame in self._frames if frame.samples > 0), None)
        except av.error.MemoryError as error:
            raise MemoryError from error
        except av.error.FFmpegError as error:
            raise AudioDecodeError(
                f"damaged audio data after frame {self._frames_decoded} (FFmpeg: {_reason(error)})"
            ) from error

    def _samples(self, frame: av.AudioFrame) -> Waveform:
        if (frame.sample_rate, frame.layout.nb_channels) != (self._rate_hz, self._channels):
            raise AudioDecodeError(
                f"format changes after frame {self._frames_decoded}: from {self._rate_hz} Hz, "
                f"{self._channels} channels to {frame.sample_rate} Hz, "
                f"{frame.layout.nb_channels} channels; convert the file first"
            )
        samples = float_from_frame(frame)
        is_exact = self._container_name == "mov" and frame.time_base == Fraction(1, self._rate_hz)
        if self._next is None and frame.duration and is_exact:
            # MP4 shortens the last packet by the encoder's padding.
            return samples[:, : frame.duration]
        return samples

    def _cut_padding(self, block: Waveform) -> Waveform:
        if self._declared_frames is None:
            return block
        surplus = self._frames_decoded - self._declared_frames
        if surplus <= self._tolerance_frames:
            return block
        if surplus > MAX_PADDING_FRAMES:
            raise AudioDecodeError(
                f"goes on for over {surplus} frames after the {self._declared_frames} that its "
                "header declares; perhaps joined from several files: encode it anew"
            )
        return block[:, : max(block.shape[1] - surplus, 0)]

    def _check_length(self) -> None:
        declared = self._declared_frames
        if declared is not None and self._frames_decoded < declared - self._tolerance_frames:
            raise AudioDecodeError(
                f"truncated: the header declares {declared} frames, "
                f"decoding ended after {self._frames_decoded}; fetch it again"
            )
        if self._frames_decoded == 0:
            raise AudioDecodeError("the audio stream holds no frames")

    def _declared_length(self, path: Path) -> tuple[int | None, int]:
        """Frames the header declares, and by how many frames rounding may have moved that."""
        container, stream = self._container_name, self._stream
        if container == "mp3":
            return _mp3_declared_length(path)
        if container not in EXACT_CONTAINERS or not stream.duration or stream.time_base is None:
            return None, 0
        frames = round(stream.duration * stream.time_base * self._rate_hz)
        with path.open("rb") as file:
            timescale_hz = movie_timescale_hz(file, path.stat().st_size)
        # An MP4 edit list counts in ticks of the movie's timescale, often milliseconds.
        tick_frames = -(-self._rate_hz // timescale_hz) if timescale_hz else 1
        return frames, tick_frames if tick_frames > 1 else 0

    def _describe(self) -> SourceInfo:
        codec = self._stream.codec_context
        seconds = self._container.duration
        if self._declared_frames is not None:
            duration_s: float | None = self._declared_frames / self._rate_hz
        else:
            duration_s = seconds / av.time_base if seconds else None
        name = codec.name.removesuffix("float")
        is_float = name.startswith("pcm_f")
        return SourceInfo(
            container=self._container_name,
            codec=name,
            sample_rate_hz=self._rate_hz,
            channels=self._channels,
            bit_depth=bit_depth(codec),
            is_float=is_float,
            is_lossless=is_float or name in LOSSLESS_CODECS or name.startswith("pcm_"),
            frames=None if self._tolerance_frames else self._declared_frames,
            duration_s=duration_s,
            tags=_tags({**self._container.metadata, **self._stream.metadata}),
        )


def float_from_frame(frame: av.AudioFrame) -> Waveform:
    """Samples ``[channel, sample]`` float32 of a planar or packed frame; integers scaled to -1..1.

    Raises:
        AudioDecodeError: the sample format is none of FFmpeg's usual ones.
    """
    raw = frame.to_ndarray()
    if not frame.format.is_planar:
        raw = raw.reshape(-1, frame.layout.nb_channels).T
    if raw.dtype == np.uint8:
        raw = raw.astype(np.float32) - 128
        return np.ascontiguousarray(raw / 128, np.float32)
    if raw.dtype.kind == "f":
        return np.ascontiguousarray(raw, np.float32)
    if raw.dtype in (np.int16, np.int32):
        full_scale = np.float32(2.0 ** (8 * raw.dtype.itemsize - 1))
        return np.ascontiguousarray(raw.astype(np.float32) / full_scale)
    raise AudioDecodeError(f"sample format {frame.format.name!r} is not supported")


def bit_depth(codec: av.AudioCodecContext) -> int | None:
    """Bits of one integer sample, where the codec is lossless and says so."""
    extradata = codec.extradata or b""
    if codec.name == "alac" and len(extradata) >= 36:
        return extradata[17]
    if codec.name == "flac" and len(extradata) >= 34:
        return ((extradata[12] & 1) << 4 | extradata[13] >> 4) + 1
    if codec.name.startswith(("pcm_s", "pcm_u")):
        return int("".join(filter(str.isdigit, codec.name)))
    if codec.name in LOSSLESS_CODECS and codec.format is not None:
        return {"s16": 16, "s16p": 16, "u8": 8, "u8p": 8}.get(codec.format.name)
    return None


def _mp3_declared_length(path: Path) -> tuple[int | None, int]:
    """Frames an MP3 declares, if any, and their tolerance; refuses a file shorter than declared."""
    with path.open("rb") as file:
        length = mp3_length(file)
    if length is None:
        return None, 0
    found_bytes = path.stat().st_size
    if found_bytes < length.file_bytes:
        raise AudioDecodeError(
            f"truncated: the header declares {length.frames} frames in {length.file_bytes} bytes, "
            f"the file holds {found_bytes}; fetch it again"
        )
    return length.frames, length.tolerance_frames


def _reason(error: Exception) -> str:
    """FFmpeg's words without its error number and the path, which may be a temporary one."""
    return str(getattr(error, "strerror", None) or error)


def _tags(metadata: dict[str, str]) -> dict[str, str]:
    kept = (
        "title",
        "artist",
        "album",
        "date",
        "tracknumber",
        "genre",
        "comment",
        "copyright",
        "license",
    )
    named = {TAG_NAMES.get(name.lower(), name.lower()): value for name, value in metadata.items()}
    return {name: named[name] for name in kept if named.get(name)}
