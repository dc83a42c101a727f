"""Speech turned into a singer's voice: other formants, the band above 11 kHz, breath."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from latentsep.training.rich_songs.instruments import SAMPLE_RATE_HZ
from latentsep.training.rich_songs.speech import Frames, Speech, Syllable
from latentsep.training.songs.singer import Singer

N_BINS = 1025
"""Bins of the envelope at ``SAMPLE_RATE_HZ``; as far apart as those of the speech."""

BIN_HZ = SAMPLE_RATE_HZ / 2 / (N_BINS - 1)

TREBLE_HZ = 2500.0

Bank = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Voice:
    """Frames of speech that a singer sings with.

    Attributes:
        singer: range and habits.
        level_db: power spectrum, ``[frame, bin=N_BINS]``.
        aperiodicity: ``[frame, bin=N_BINS]``.
        f0_hz: the speech's melody, ``[frame]``; 0 where there is no voice.
        syllables: in time order.
    """

    singer: Singer
    level_db: Bank
    aperiodicity: Bank
    f0_hz: Frames
    syllables: tuple[Syllable, ...]


def random_voice(rng: np.random.Generator, singer: Singer, speech: Speech) -> Voice:
    """Draw a throat for a singer."""
    warp = float(np.clip(singer.formant_scale * rng.uniform(0.92, 1.06), 0.78, 1.35))
    level_db = 10 * np.log10(speech.envelope + 1e-16)
    wide_db = _with_treble(rng, level_db, speech.f0_hz > 0)
    noisy = _wider(speech.aperiodicity, wide_db.shape[1]) ** rng.uniform(0.7, 2.5)
    breath = _breath(rng, singer, wide_db.shape[1])
    return Voice(
        singer,
        _warped(wide_db, warp),
        np.clip(_warped(np.maximum(noisy, breath), warp), 0.0005, 0.9995),
        speech.f0_hz,
        speech.syllables,
    )


def _with_treble(
    rng: np.random.Generator, level_db: Frames, voiced: npt.NDArray[np.bool_]
) -> Frames:
    """Levels beyond the speech's band, and more of the voice's own treble.

    Formant synthesisers fade above 4 kHz, so a voice is not let below a slope that starts at
    its lower formants; noise goes on from where it ends.
    """
    bins_hz = np.asarray(np.arange(round(N_BINS / 0.75)) * BIN_HZ, np.float64)
    treble_db = _voice_slope_db(rng, level_db, bins_hz)
    wide_db = _noise_slope_db(rng, level_db, bins_hz)
    # The last of the speech's bins already fade towards its end.
    known = int(0.9 * level_db.shape[1])
    wide_db[:, :known] = level_db[:, :known]
    lifted = np.logaddexp(wide_db / 4, treble_db / 4) * 4
    lifted[:, bins_hz < TREBLE_HZ] = wide_db[:, bins_hz < TREBLE_HZ]
    lifted[:, known:] = treble_db[:, known:]
    return np.asarray(np.where(voiced[:, None], lifted, wide_db))


def _voice_slope_db(rng: np.random.Generator, level_db: Frames, bins_hz: Frames) -> Frames:
    """Falls off from the level of the lower formants, with ripples for the higher ones."""
    octaves = np.log2(np.maximum(bins_hz, TREBLE_HZ) / TREBLE_HZ)
    spacing_hz = rng.uniform(900, 1300)
    ripple_db = rng.uniform(1, 5) * np.cos(2 * np.pi * bins_hz / spacing_hz + rng.uniform(0, 6))
    return _mean_db(level_db, 600, 3000) + (
        -rng.uniform(6, 20) - rng.uniform(5, 16) * octaves + ripple_db
    )


def _noise_slope_db(rng: np.random.Generator, level_db: Frames, bins_hz: Frames) -> Frames:
    octaves = np.log2(np.maximum(bins_hz, 8750) / 8750)
    return _mean_db(level_db, 7500, 10_000) - rng.uniform(3, 14) * octaves


def _mean_db(level_db: Frames, low_hz: float, high_hz: float) -> Frames:
    """``[frame, 1]``."""
    part = level_db[:, int(low_hz / BIN_HZ) : int(high_hz / BIN_HZ)]
    return np.asarray(part.mean(axis=1, keepdims=True))


def _wider(aperiodicity: Frames, n_bins: int) -> Frames:
    """Noise takes over above the speech's band."""
    n_speech = aperiodicity.shape[1]
    rise = np.linspace(0, 1, n_bins - n_speech)
    last = aperiodicity[:, -1:]
    return np.concatenate([aperiodicity, last + (1 - last) * rise], axis=1)


def _breath(rng: np.random.Generator, singer: Singer, n_bins: int) -> Frames:
    """Least share of noise per bin: breath grows with frequency."""
    corner_hz = np.exp(rng.uniform(np.log(4000), np.log(25_000)))
    bins_hz = np.arange(n_bins) * BIN_HZ
    return np.asarray(np.minimum(1, 0.6 * singer.breath + (bins_hz / corner_hz) ** 2 / 2))


def _warped(bank: Frames, warp: float) -> Bank:
    """Move every resonance up by the factor ``warp``; ``[frame, bin=N_BINS]``."""
    places = np.minimum(np.arange(N_BINS) / warp, bank.shape[1] - 1.001)
    whole = places.astype(int)
    fraction = places - whole
    return np.asarray(bank[:, whole] * (1 - fraction) + bank[:, whole + 1] * fraction, np.float32)
