"""Write stems: complete under their final name, or not there at all."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

import numpy as np
import soundfile  # type: ignore[import-untyped]

from latentsep.audio.containers import check_complete, riff_chunk_offset
from latentsep.audio.id3 import id3_tag
from latentsep.audio.quantise import IntegerWaveform
from latentsep.audio.resample import StreamResampler, resampled_length
from latentsep.audio.sndfile_source import TAG_NAMES
from latentsep.audio.waveform import Waveform
from latentsep.errors import AudioDecodeError, AudioEncodeError, ConfigError, NonFiniteAudioError

TEMPORARY_PREFIX = ".latentsep-"
# Vorbis in libsndfile overflows its stack on long writes.
WRITE_FRAMES = 16_384
_RF64_AUTO_DOWNGRADE = 0x1210
_ALMOST_FULL_BYTES = 64 * 1024


@dataclass(frozen=True)
class _Codec:
    """What one codec can hold."""

    container: str
    extension: str
    bit_depths: tuple[int, ...]
    max_channels: int
    # Empty: any rate.
    rates_hz: tuple[int, ...] = ()


_MP3_RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_CODECS = MappingProxyType(
    {
        "flac": _Codec("FLAC", ".flac", (16, 24), 8),
        "wav": _Codec("RF64", ".wav", (16, 24, 32), 255),
        "mp3": _Codec("MP3", ".mp3", (), 2, _MP3_RATES_HZ),
        "ogg": _Codec("OGG", ".ogg", (), 255),
        "opus": _Codec("OGG", ".opus", (), 255, (8_000, 12_000, 16_000, 24_000, 48_000)),
    }
)
_SUBTYPES = MappingProxyType({"mp3": "MPEG_LAYER_III", "ogg": "VORBIS", "opus": "OPUS"})


@dataclass(frozen=True)
class StemFormat:
    """File format of a stem.

    Attributes:
        codec: ``flac``, ``wav``, ``mp3``, ``ogg`` (Vorbis) or ``opus``.
        bit_depth: 16 or 24 for flac and wav, 32 for float wav; ``None`` for the lossy ones.
        quality: of the lossy ones, from 0 (smallest file) to 1 (best).
    """

    codec: str = "flac"
    bit_depth: int | None = 16
    quality: float = 0.8

    def __post_init__(self) -> None:
        if self.codec not in _CODECS:
            raise ConfigError(f"codec is {self.codec!r}, allowed are {', '.join(_CODECS)}")
        allowed = _CODECS[self.codec].bit_depths or (None,)
        if self.bit_depth not in allowed:
            raise ConfigError(
                f"bit_depth of {self.codec} is {self.bit_depth}, allowed are {allowed}; "
                "32-bit float goes into wav"
            )
        if not 0 <= self.quality <= 1:
            raise ConfigError(f"quality must lie in 0..1, got {self.quality}")

    @property
    def extension(self) -> str:
        """File name ending, with the dot."""
        return _CODECS[self.codec].extension

    @property
    def is_integer(self) -> bool:
        """Samples are integers: write with ``write_integers``."""
        return self.bit_depth in (16, 24)

    @property
    def subtype(self) -> str:
        """Name of the coding in libsndfile."""
        if self.bit_depth is None:
            return _SUBTYPES[self.codec]
        return "FLOAT" if self.bit_depth == 32 else f"PCM_{self.bit_depth}"

    def file_rate_hz(self, sample_rate_hz: int) -> int:
        """Rate of the file for audio of this rate: the same, or the nearest above it can hold."""
        rates_hz = _CODECS[self.codec].rates_hz
        if not rates_hz or sample_rate_hz in rates_hz:
            return sample_rate_hz
        return min((rate for rate in rates_hz if rate > sample_rate_hz), default=max(rates_hz))

    def check_channels(self, channels: int) -> None:
        """Refuse a channel count that the format cannot hold.

        Raises:
            AudioEncodeError: names the formats that can.
        """
        most = _CODECS[self.codec].max_channels
        if not 1 <= channels <= most:
            able = [name for name, codec in _CODECS.items() if 1 <= channels <= codec.max_channels]
            raise AudioEncodeError(
                f"{self.codec} holds 1 to {most} channels, got {channels}; "
                f"formats that can: {', '.join(able) or 'none'}"
            )


class AudioWriter:
    """Writes one file; a context manager. The file appears under its name when the block ends well.

    Until then it has a hidden temporary name in the same folder, which any exception removes.

    Attributes:
        path: final name.
        file_rate_hz: rate of the file; differs from the audio's where the format cannot hold that.
        frames_written: samples per channel taken so far, at the audio's rate.
        is_published: the file stands under its name.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        fmt: StemFormat,
        sample_rate_hz: int,
        channels: int,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self.path = Path(path)
        self.frames_written = 0
        self.file_rate_hz = fmt.file_rate_hz(sample_rate_hz)
        self._format, self._rate_hz, self._channels = fmt, sample_rate_hz, channels
        self._tags = {name: text for name, text in (tags or {}).items() if name in TAG_NAMES}
        self._resampler = StreamResampler(sample_rate_hz, self.file_rate_hz, channels)
        # Independent of the final name, which may already be as long as names can be.
        self._temporary = self.path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}.tmp")
        self.is_published = False
        self._file: soundfile.SoundFile | None = None

    def __enter__(self) -> Self:
        """Create the temporary file, and the folder where it is missing.

        Raises:
            AudioEncodeError: the format cannot hold the channels, or the file cannot be created.
        """
        self._format.check_channels(self._channels)
        with self._explained(), self._removing_temporary():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Finds out about a name that is too long before the work, not after.
            self.path.exists()
            # Made by hand, since libsndfile hides why it cannot create a file.
            os.close(os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
            self._file = self._open()
            self._set_tags()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Publish the file, or remove what was written of it.

        Raises:
            AudioEncodeError: the file did not reach the disk in full.
        """
        if kind is not None:
            with suppress(soundfile.LibsndfileError):
                self._opened().close()
            self._temporary.unlink(missing_ok=True)
            return
        with self._explained(), self._removing_temporary():
            self._publish()

    def write(self, block: Waveform) -> None:
        """Append ``[channel, sample]`` float32, to a float or lossy format.

        Raises:
            NonFiniteAudioError: a sample is NaN or infinite.
            AudioEncodeError: the disk is full, or the encoder fails.
            ValueError: the format is an integer one, or the channels differ.
        """
        if self._format.is_integer:
            raise ValueError(f"{self._format} holds integers: quantise() and write_integers()")
        self._check_shape(block.shape)
        if not np.isfinite(block).all():
            frame = self.frames_written + int(np.argmin(np.isfinite(block).all(axis=0)))
            raise NonFiniteAudioError(f"{self.path}: sample is NaN or infinite at frame {frame}")
        self.frames_written += block.shape[1]
        with self._explained():
            self._append(self._resampler.process(block).T)

    def write_integers(self, block: IntegerWaveform) -> None:
        """Append ``[channel, sample]`` int32 on the format's grid; they land in the file exactly.

        Raises:
            AudioEncodeError: the disk is full, or the encoder fails.
            ValueError: the format is not an integer one, a value is off its range, or the channels
                differ.
        """
        bits = self._format.bit_depth
        if bits is None or not self._format.is_integer:
            raise ValueError(f"{self._format} holds no integers: write() floats")
        self._check_shape(block.shape)
        full_scale = 2 ** (bits - 1)
        if block.size and not -full_scale <= block.min() <= block.max() < full_scale:
            raise ValueError(
                f"integers of {bits} bits lie in {-full_scale}..{full_scale - 1}, "
                f"got {block.min()}..{block.max()}"
            )
        self.frames_written += block.shape[1]
        with self._explained():
            # libsndfile takes the upper bits of an int32.
            self._append(block.astype(np.int32).T << (32 - bits))

    def _open(self) -> soundfile.SoundFile:
        is_lossy = self._format.bit_depth is None
        file = soundfile.SoundFile(
            os.fsencode(self._temporary),
            "w",
            samplerate=self.file_rate_hz,
            channels=self._channels,
            format=_CODECS[self._format.codec].container,
            subtype=self._format.subtype,
            # LAME refuses the far end, 1.
            compression_level=0.99 * (1 - self._format.quality) if is_lossy else None,
            bitrate_mode="VARIABLE" if self._format.codec == "mp3" else None,
        )
        if self._format.codec == "wav":
            # RF64 above 4 GiB only; soundfile has no name for this command.
            soundfile._snd.sf_command(file._file, _RF64_AUTO_DOWNGRADE, soundfile._ffi.NULL, 1)
        return file

    def _set_tags(self) -> None:
        if self._format.codec == "mp3":
            return
        for name, text in self._tags.items():
            # A container that has no place for a tag still holds the audio.
            with suppress(soundfile.LibsndfileError, RuntimeError):
                setattr(self._file, name, text)

    def _opened(self) -> soundfile.SoundFile:
        if self._file is None:
            raise ValueError(f"{self.path}: AudioWriter is used outside its with block")
        return self._file

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        if len(shape) != 2 or shape[0] != self._channels:
            raise ValueError(f"block has shape {shape}, wanted [{self._channels}, sample]")

    def _append(self, frames: Waveform | IntegerWaveform) -> None:
        file = self._opened()
        for start in range(0, len(frames), WRITE_FRAMES):
            file.write(frames[start : start + WRITE_FRAMES])

    def _publish(self) -> None:
        if self.frames_written == 0:
            raise OSError("0 frames were given, and a file of no length is no audio")
        file_frames = resampled_length(self.frames_written, self._rate_hz, self.file_rate_hz)
        if self._resampler.is_active:
            self._append(self._resampler.finish(file_frames).T)
        self._opened().close()
        _check_written(self._temporary, file_frames)
        if self._format.codec == "mp3":
            _prepend(self._temporary, id3_tag(self._tags))
        elif self._format.subtype == "FLOAT":
            _clear_peak_time(self._temporary)
        _sync(self._temporary)
        self._temporary.replace(self.path)
        self.is_published = True
        _sync(self.path.parent)

    @contextmanager
    def _removing_temporary(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._temporary.unlink(missing_ok=True)
            raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn the many ways a write fails into one error that tells the reason.

        soundfile states a short write as a failed assertion.
        """
        try:
            yield
        except (OSError, soundfile.LibsndfileError, AssertionError, AudioDecodeError) as error:
            is_full = _is_full(error, self.path.parent)
            reason = _reason(error, is_full=is_full)
            raise AudioEncodeError(
                f"{self.path}: cannot be written: {reason}", retryable=is_full
            ) from error


def _check_written(path: Path, frames: int) -> None:
    """Re-read what landed on the disk: libsndfile may lose the end of a file without a word."""
    with path.open("rb") as raw:
        check_complete(raw, path.stat().st_size)
    with soundfile.SoundFile(os.fsencode(path)) as file:
        found = file.frames
        if found == frames > 0:
            file.seek(frames - 1)
            found = frames - 1 + len(file.read(1))
    if found != frames:
        raise OSError(f"short write: {frames} frames were given, {found} are in the file")


def _prepend(path: Path, head: bytes) -> None:
    """Put bytes before those of a file, in bounded memory."""
    longer = path.with_suffix(".tagged.tmp")
    try:
        with path.open("rb") as old, longer.open("xb") as new:
            new.write(head)
            shutil.copyfileobj(old, new)
        longer.replace(path)
    finally:
        longer.unlink(missing_ok=True)


def _clear_peak_time(path: Path) -> None:
    """Blank the time of writing in a float WAV, so that the same samples make the same bytes.

    libsndfile leaves the chunk out on request, but not in a file that began as RF64.
    """
    with path.open("r+b") as file:
        offset = riff_chunk_offset(file, path.stat().st_size, b"PEAK")
        if offset is not None:
            # After the chunk's version number.
            file.seek(offset + 4)
            file.write(bytes(4))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_full(error: Exception, folder: Path) -> bool:
    """Whether the disk is to blame; libsndfile does not say."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    with suppress(OSError):
        return shutil.disk_usage(folder).free < _ALMOST_FULL_BYTES
    return False


def _reason(error: Exception, *, is_full: bool) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return os.strerror(errno.ENOSPC) if is_full else str(error) or "short write"
