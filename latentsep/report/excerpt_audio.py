"""Cuts a few seconds out of decoded audio, and makes small files of them."""

import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from latentsep.audio.decode import AudioReader
from latentsep.audio.encode import AudioWriter, StemFormat
from latentsep.audio.resample import resample
from latentsep.audio.waveform import Waveform, samples_from_seconds
from latentsep.errors import AudioDecodeError

EXCERPT_S = 6.0
SEARCHED_S = 180.0
"""So much of a track is searched for its loudest part: one of ten hours takes no longer."""
HOP_S = 0.5
MEDIA_TYPE = "audio/ogg"
_FORMAT = StemFormat("ogg", None, quality=0.4)
"""Vorbis: Opus takes four times as long."""
_HIGHEST_RATE_HZ = 48_000
_READ_ON_S = 60.0
"""A decoder that is stopped has to be started again, which takes as long as reading so much."""


def loudest(reader: AudioReader) -> tuple[float, Waveform]:
    """The loudest ``EXCERPT_S`` of the first ``SEARCHED_S``, or all of a shorter recording.

    Returns:
        Where it begins, in seconds, and ``[channel, sample]``, one or two channels.

    Raises:
        TrackError: it cannot be decoded, or is empty.
    """
    hop = samples_from_seconds(HOP_S, reader.info.sample_rate_hz)
    hops = round(EXCERPT_S / HOP_S)
    window: deque[Waveform] = deque(maxlen=hops)
    powers: deque[float] = deque(maxlen=hops)
    best: list[Waveform] = []
    start_s = most = 0.0
    for number, piece in enumerate(_pieces(reader, hop)):
        window.append(piece)
        powers.append(float(np.square(piece).sum(dtype=np.float64)))
        power = sum(powers)
        if number < hops or power > most:
            best, most, start_s = list(window), power, max(0, number + 1 - hops) * HOP_S
        if (number + 1) * HOP_S >= SEARCHED_S:
            break
    _leave(reader)
    if not best:
        raise AudioDecodeError("is empty")
    return start_s, np.concatenate(best, axis=1)


def stretch(reader: AudioReader, start_s: float, length_s: float) -> Waveform:
    """A stretch of a recording, ``[channel, sample]``; shorter at its end.

    Raises:
        TrackError: it cannot be decoded, or ends before the stretch begins.
    """
    rate_hz = reader.info.sample_rate_hz
    start = samples_from_seconds(start_s, rate_hz)
    end = start + samples_from_seconds(length_s, rate_hz)
    position, pieces = 0, []
    for block in reader:
        piece = block[:, max(0, start - position) : max(0, end - position)]
        if piece.shape[1]:
            pieces.append(_at_most_stereo(piece))
        position += block.shape[1]
        if position >= end:
            break
    _leave(reader)
    if not pieces:
        raise AudioDecodeError(f"ends before the excerpt begins, at {start_s:.1f} s")
    return np.concatenate(pieces, axis=1)


def encoded(waveform: Waveform, sample_rate_hz: int) -> bytes:
    """A small Ogg Vorbis file of ``[channel, sample]``, at 48 kHz at most.

    Raises:
        TrackError: it cannot be written, or has samples that are no numbers.
    """
    rate_hz = sample_rate_hz
    if rate_hz > _HIGHEST_RATE_HZ:
        rate_hz = 44_100 if rate_hz % 44_100 == 0 else _HIGHEST_RATE_HZ
    with tempfile.TemporaryDirectory(prefix="latentsep-report-") as folder:
        path = Path(folder) / "excerpt.ogg"
        with AudioWriter(path, _FORMAT, rate_hz, len(waveform)) as writer:
            writer.write(resample(waveform, sample_rate_hz, rate_hz))
        return path.read_bytes()


def _pieces(reader: AudioReader, hop: int) -> Iterator[Waveform]:
    """The recording in pieces of ``hop`` samples; the last one may be shorter."""
    rest = _at_most_stereo(np.zeros((reader.info.channels, 0), np.float32))
    for block in reader:
        rest = np.concatenate([rest, _at_most_stereo(block)], axis=1)
        while rest.shape[1] >= hop:
            yield rest[:, :hop]
            rest = rest[:, hop:]
    if rest.shape[1]:
        yield rest


def _at_most_stereo(block: Waveform) -> Waveform:
    """One or two channels as they are; of more, their mean."""
    return block if len(block) <= 2 else block.mean(axis=0, keepdims=True)


def _leave(reader: AudioReader) -> None:
    """Have done with a recording; a short rest of it is read, damaged or not."""
    frames, rate_hz = reader.info.frames, reader.info.sample_rate_hz
    if frames is not None and frames - reader.frames_read <= _READ_ON_S * rate_hz:
        with suppress(AudioDecodeError):
            deque(reader, maxlen=0)
    reader.close()
