"""Reads what libsndfile reads: WAV, AIFF, FLAC, Ogg and their kin."""

import os
from pathlib import Path
from types import MappingProxyType

import numpy as np
import soundfile  # type: ignore[import-untyped]

from latentsep.audio.limits import DecodeLimits
from latentsep.audio.source import SourceInfo
from latentsep.audio.waveform import Waveform
from latentsep.errors import AudioDecodeError

# libsndfile also guesses at rare formats without a signature, which accept random bytes.
CONTAINERS = frozenset(
    {"WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "OGG", "VOC", "SVX", "NIST"}
)
BIT_DEPTHS = MappingProxyType(
    {
        "PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32,
    }
)  # fmt: skip
TAG_NAMES = (
    "title", "artist", "album", "date", "tracknumber", "genre", "comment", "copyright", "license",
)  # fmt: skip
# libsndfile's way to say that a FLAC header declares no length.
UNKNOWN_FRAMES = 2**63 - 1
# Unknown format, unknown encoding, and what its MP3 reader says of bytes that are no MP3.
_UNRECOGNISED_CODES = frozenset({1, 4, 7})
# A header with 0 Hz.
_INCOMPLETE_HEADER_CODE = 24


class NotForLibsndfileError(Exception):
    """libsndfile does not know this format, or does not read it faithfully.

    Attributes:
        demuxer: FFmpeg's name of the format, where libsndfile has recognised it.
    """

    def __init__(self, demuxer: str | None = None) -> None:
        super().__init__(f"to be read by FFmpeg as {demuxer}")
        self.demuxer = demuxer


class SndfileSource:
    """One file opened by libsndfile, read forwards in blocks."""

    def __init__(self, path: Path, limits: DecodeLimits) -> None:
        self._file = _open(path)
        self._frames_read = 0
        limits.check_format(self._file.samplerate, self._file.channels)
        self.info = _describe(self._file)

    def read(self, max_frames: int) -> Waveform:
        """Next block ``[channel, sample]`` float32; empty at the end.

        Raises:
            AudioDecodeError: the data are damaged, or end before the declared frame count.
        """
        try:
            block = self._file.read(max_frames, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise AudioDecodeError(self._unfinished("damaged or truncated")) from error
        self._frames_read += len(block)
        if len(block) == 0 and self._frames_read != self.info.frames:
            raise AudioDecodeError(self._unfinished("truncated"))
        return np.ascontiguousarray(block.T)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _unfinished(self, what: str) -> str:
        return (
            f"{what}: the header declares {self.info.frames} frames, "
            f"decoding ended after {self._frames_read}; fetch it again"
        )


def _open(path: Path) -> soundfile.SoundFile:
    try:
        file = soundfile.SoundFile(os.fsencode(path))
    except soundfile.LibsndfileError as error:
        if error.code in _UNRECOGNISED_CODES:
            raise NotForLibsndfileError from error
        says = repr(error.error_string)
        if error.code == _INCOMPLETE_HEADER_CODE:
            says += ", as of a sample rate of 0 Hz"
        raise AudioDecodeError(f"damaged header: libsndfile says {says}") from error
    except TypeError as error:
        # soundfile takes .raw for headerless samples and asks for a rate.
        raise NotForLibsndfileError from error
    # MP3: without a Xing header libsndfile guesses the length and stops there. ALAC: it garbles
    # stereo of 24 bits. FLAC of no declared length: it fails at the last block.
    is_garbled = file.subtype.startswith("ALAC") or file.frames == UNKNOWN_FRAMES
    if file.format not in CONTAINERS or is_garbled:
        file.close()
        raise NotForLibsndfileError({"MP3": "mp3", "FLAC": "flac"}.get(file.format))
    return file


def _describe(file: soundfile.SoundFile) -> SourceInfo:
    is_float = file.subtype in ("FLOAT", "DOUBLE")
    bit_depth = BIT_DEPTHS.get(file.subtype)
    tags = {name: value for name in TAG_NAMES if (value := getattr(file, name))}
    return SourceInfo(
        container=file.format.lower(),
        codec=file.subtype.lower() if file.format != "FLAC" else "flac",
        sample_rate_hz=file.samplerate,
        channels=file.channels,
        bit_depth=bit_depth,
        is_float=is_float,
        is_lossless=is_float or bit_depth is not None,
        frames=file.frames,
        duration_s=file.frames / file.samplerate,
        tags=tags,
    )
