"""What happens to stems and mixtures on their way into a training."""

import io

import numpy as np
import numpy.typing as npt
import scipy.signal
import soundfile  # type: ignore[import-untyped]
import soxr

from latentsep.audio.waveform import Waveform
from latentsep.training.stems import Pcm

TEMPO_HOP_SAMPLES = 1024
TEMPO_SEARCH_SAMPLES = 512
"""Pieces of 46 ms at 44.1 kHz, moved by up to 12 ms: a period of the lowest voice."""
TEMPO_SEARCH_STRIDE = 4
NOISE_DB = (-65.0, -30.0)
"""Level of added noise under the mixture: from a good recording's to a cassette's."""
LOSSY_LEVELS = (0.2, 0.95)
"""libsndfile's compression levels of Ogg Vorbis: 44.1-kHz stereo at about 320 to 70 kbit/s."""


def vary(piece: Waveform, rng: np.random.Generator) -> Waveform:
    """A stem ``[2, sample]`` at another speed, pitch or tempo, with another spectrum and width."""
    draw = rng.random()
    if draw < 0.3:
        piece = change_speed(piece, float(rng.uniform(0.88, 1.14)))
    elif draw < 0.4:
        piece = shift_pitch(piece, float(rng.uniform(-3, 3)))
    elif draw < 0.5:
        piece = change_tempo(piece, float(rng.uniform(0.8, 1.25)))
    if rng.random() < 0.5:
        piece = _tilt(piece, float(rng.uniform(-0.6, 0.6)))
    if rng.random() < 0.3:
        middle = piece.mean(axis=0, keepdims=True)
        piece = middle + (piece - middle) * np.float32(rng.uniform(0, 1.4))
    return piece


def change_speed(piece: Waveform, speed: float) -> Waveform:
    """Pitch and tempo together, as a tape does it; of the same length, silence at its end."""
    changed = soxr.resample(piece.T, speed, 1.0, quality="LQ").T
    return _of_length(changed, piece.shape[1])


def change_tempo(piece: Waveform, tempo: float) -> Waveform:
    """Another tempo at the same pitch; of the same length, silence at its end.

    WSOLA (Verhelst and Roelands, ICASSP 1993): pieces are taken at another pace, each from where
    it goes on best with what came before, and overlapped by half.
    """
    window = scipy.signal.windows.hann(2 * TEMPO_HOP_SAMPLES, sym=False).astype(np.float32)
    outer = TEMPO_SEARCH_SAMPLES + len(window)
    source = np.pad(piece, ((0, 0), (TEMPO_SEARCH_SAMPLES, outer)))
    middle = source.sum(axis=0)[::TEMPO_SEARCH_STRIDE]
    hops = -(-piece.shape[1] // TEMPO_HOP_SAMPLES)
    changed = np.zeros((2, (hops + 1) * TEMPO_HOP_SAMPLES), np.float32)
    taken = TEMPO_SEARCH_SAMPLES
    for hop in range(hops):
        earliest = round(hop * TEMPO_HOP_SAMPLES * tempo)
        if earliest >= piece.shape[1]:
            break
        if hop:
            taken = _best_start(middle, taken + TEMPO_HOP_SAMPLES, earliest)
        place = slice(hop * TEMPO_HOP_SAMPLES, hop * TEMPO_HOP_SAMPLES + len(window))
        changed[:, place] += window * source[:, taken : taken + len(window)]
    return _of_length(changed, piece.shape[1])


def shift_pitch(piece: Waveform, semitones: float) -> Waveform:
    """Another pitch at the same tempo; formants move along."""
    speed = 2.0 ** (semitones / 12)
    return change_speed(change_tempo(piece, 1 / speed), speed)


def reverberate(piece: Waveform, response: Pcm, rng: np.random.Generator) -> Waveform:
    """A stem with 5 to 50 % of a room's answer, whose energy is evened out first."""
    tail = response.astype(np.float32)
    tail /= max(float(np.sqrt(np.sum(np.square(tail)) / 2)), 1e-9)
    wet = scipy.signal.fftconvolve(piece, tail, axes=1)[:, : piece.shape[1]]
    return (piece + np.float32(rng.uniform(0.05, 0.5)) * wet).astype(np.float32)


def noise_under(mixture: Waveform, rng: np.random.Generator) -> Waveform:
    """Noise ``[2, sample]``, white to brown, at a random level below a mixture's."""
    noise = rng.standard_normal(mixture.shape, np.float32)
    brown = -float(rng.uniform(0, 0.98))
    coloured = scipy.signal.lfilter([1.0], [1.0, brown], noise, axis=1)
    level_db = rng.uniform(*NOISE_DB)
    gain = 10 ** (level_db / 20) * _rms(mixture) / max(_rms(coloured), 1e-9)
    return (coloured * gain).astype(np.float32)


def compress(mixture: Waveform, sample_rate_hz: int, rng: np.random.Generator) -> Waveform:
    """A mixture after Ogg Vorbis at a random rate, sample for sample where it was."""
    file = io.BytesIO()
    peak = max(1.0, float(np.abs(mixture).max()))
    with soundfile.SoundFile(
        file, "w", sample_rate_hz, 2, format="OGG", subtype="VORBIS",
        compression_level=float(rng.uniform(*LOSSY_LEVELS)),
    ) as written:  # fmt: skip
        written.write(mixture.T / peak)
    file.seek(0)
    heard, _ = soundfile.read(file, dtype="float32", always_2d=True)
    return _of_length(heard.T * np.float32(peak), mixture.shape[1])


def swap_and_flip(
    vocals: Waveform, accompaniment: Waveform, rng: np.random.Generator
) -> tuple[Waveform, Waveform]:
    """Left for right in both, and now and then the vocals upside down."""
    if rng.random() < 0.5:
        vocals, accompaniment = vocals[::-1], accompaniment[::-1]
    if rng.random() < 0.5:
        vocals = -vocals
    return vocals, accompaniment


def _tilt(piece: Waveform, slope: float) -> Waveform:
    """First-order shelf: more treble for a positive slope, less for a negative one."""
    return scipy.signal.lfilter([1.0, -slope], [1.0], piece, axis=1).astype(np.float32)


def _best_start(middle: Waveform, wanted: int, earliest: int) -> int:
    """Where, in the range searched from ``earliest`` on, a piece is most like the one wanted."""
    length = 2 * TEMPO_HOP_SAMPLES // TEMPO_SEARCH_STRIDE
    first, low = wanted // TEMPO_SEARCH_STRIDE, earliest // TEMPO_SEARCH_STRIDE
    searched = 2 * TEMPO_SEARCH_SAMPLES // TEMPO_SEARCH_STRIDE
    pattern = middle[first : first + length]
    region = middle[low : low + searched + len(pattern)]
    likeness = np.correlate(region, pattern, "valid")
    return earliest + int(likeness.argmax()) * TEMPO_SEARCH_STRIDE


def _of_length(piece: npt.NDArray[np.floating], samples: int) -> Waveform:
    piece = piece[:, :samples]
    return np.pad(piece, ((0, 0), (0, samples - piece.shape[1]))).astype(np.float32)


def _rms(piece: npt.NDArray[np.floating]) -> float:
    return float(np.sqrt(np.mean(np.square(piece))))
