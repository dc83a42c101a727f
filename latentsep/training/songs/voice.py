"""A singing synthesiser: glottal pulses and breath through a moving vocal tract."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import fft

from latentsep.training.songs.articulation import Articulation
from latentsep.training.songs.effects import Signal, noise, smooth_noise
from latentsep.training.songs.oscillators import (
    TABLE_SAMPLES,
    harmonic_numbers,
    phase_of,
    read_levels,
    tables_from_spectra,
)
from latentsep.training.songs.phonemes import NOISE_SHAPES
from latentsep.training.songs.singer import Singer

LOWEST_HZ = 40.0
"""First wavetable level; each level covers half an octave."""

N_LEVELS = 12


@dataclass(frozen=True)
class Tract:
    """Filters per frame for one performance, ``[frame, bin]``, and what made them."""

    resonances: npt.NDArray[np.complex64]
    mouth_noise: npt.NDArray[np.float32]


def glottal_tables(singer: Singer, sample_rate_hz: int) -> npt.NDArray[np.float32]:
    """Glottal flow derivative of one singer, one wavetable per half octave of f0.

    A Rosenberg pulse gives the opening and closing phases; the spectral tilt above the singer's
    corner frequency is added on the harmonics.
    """
    place = np.arange(TABLE_SAMPLES) / TABLE_SAMPLES
    opening = singer.open_quotient * singer.speed_quotient / (1 + singer.speed_quotient)
    closing = singer.open_quotient - opening
    rising = 0.5 * (1 - np.cos(np.pi * place / opening))
    falling = np.cos(0.5 * np.pi * (place - opening) / closing)
    flow = np.where(place < opening, rising, np.where(place < opening + closing, falling, 0.0))
    pulse = np.diff(flow, append=flow[:1])
    spectrum = fft.rfft(pulse)[1:]
    spectrum = spectrum / np.sqrt(np.sum(np.abs(spectrum) ** 2))
    rows = np.zeros((N_LEVELS, TABLE_SAMPLES // 2), np.complex64)
    for level in range(N_LEVELS):
        top_hz = LOWEST_HZ * 2.0 ** ((level + 1) / 2)
        numbers = harmonic_numbers(top_hz, sample_rate_hz)
        frequency_hz = numbers * top_hz / 1.2
        tilt = (1 + (frequency_hz / singer.tilt_corner_hz) ** 2) ** (-singer.tilt_order / 2)
        rows[level, : len(numbers)] = spectrum[: len(numbers)] * tilt
    return tables_from_spectra(rows[:, : TABLE_SAMPLES // 2 - 1])


def _upsample(track: Signal, hop: int, n_samples: int) -> Signal:
    """Linear interpolation of a frame track to samples."""
    padded = np.append(track, track[-1:]).astype(np.float32)
    ramp = (np.arange(hop, dtype=np.float32) / hop)[None, :]
    result = padded[:-1, None] * (1 - ramp) + padded[1:, None] * ramp
    return result.reshape(-1)[:n_samples]


def _resonator(
    centre_hz: npt.NDArray[np.float32],
    bandwidth_hz: npt.NDArray[np.float32],
    bins_hz: npt.NDArray[np.float32],
) -> npt.NDArray[np.complex64]:
    square = centre_hz**2
    denominator = np.empty((centre_hz.shape[0], bins_hz.shape[1]), np.complex64)
    denominator.real = square - bins_hz**2
    denominator.imag = bandwidth_hz * bins_hz
    return np.asarray(square / denominator, np.complex64)


def _high_formants(singer: Singer, bins_hz: npt.NDArray[np.float32]) -> npt.NDArray[np.complex64]:
    centres_hz = np.array(singer.high_formants_hz, np.float32)[:, None]
    bandwidths_hz = centres_hz * singer.high_damping
    return np.prod(_resonator(centres_hz, bandwidths_hz, bins_hz), axis=0, keepdims=True)


def build_tract(singer: Singer, spoken: Articulation, n_bins: int, sample_rate_hz: int) -> Tract:
    """Vocal tract responses of an articulation as sung by one singer."""
    bins_hz = np.linspace(0, sample_rate_hz / 2, n_bins, dtype=np.float32)[None, :]
    response = np.repeat(_high_formants(singer, bins_hz), spoken.f0_hz.shape[0], axis=0)
    damping = 1.0 + 1.2 * spoken.nasal[:, None]
    for i in range(4):
        centre_hz = spoken.formants_hz[:, i : i + 1] * singer.formant_scale
        if i == 0:
            centre_hz = np.maximum(centre_hz, 1.02 * spoken.f0_hz[:, None])
        bandwidth_hz = singer.bandwidth * damping * (50.0 + 0.03 * centre_hz)
        response *= _resonator(centre_hz, bandwidth_hz, bins_hz)
    zero_hz = singer.nasal_zero_hz
    notch = np.exp(-(((bins_hz - zero_hz) / (0.35 * zero_hz)) ** 2))
    dull = 1.0 / (1.0 + (bins_hz / 1800.0) ** 2)
    response *= 1.0 - spoken.nasal[:, None] * (0.9 * notch + 0.75 * (1 - notch) * (1 - dull))
    octaves = np.log2(np.maximum(bins_hz, 60.0) / 400.0)
    octaves = np.clip(octaves, -0.5, 4.5).astype(np.float32)
    response *= np.exp(spoken.tilt_db[:, None] * (np.log(10) / 20) * octaves)
    ring = np.exp(-((np.log2(np.maximum(bins_hz, 60.0) / singer.ring_hz) / 0.3) ** 2))
    response *= 1.0 + singer.ring * ring
    shapes = noise_shapes(singer, bins_hz)
    return Tract(response.astype(np.complex64, copy=False), spoken.noise @ shapes)


def noise_shapes(singer: Singer, bins_hz: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Magnitudes of the mouth noises, ``[class, bin]``, of about equal energy."""
    octaves = np.log2(np.maximum(bins_hz, 60.0))
    rows = []
    for centre_hz, width_octaves, floor in NOISE_SHAPES:
        distance = (octaves - np.log2(centre_hz * singer.noise_scale)) / width_octaves
        shape = floor + np.exp(-0.5 * distance**2)
        shape *= 1.0 / (1.0 + (150.0 / np.maximum(bins_hz, 1.0)) ** 2)
        rows.append(shape[0] / np.sqrt(np.mean(shape**2)))
    return np.asarray(np.stack(rows), np.float32)


def glottal_source(
    rng: np.random.Generator, singer: Singer, spoken: Articulation, n_samples: int, rate_hz: int
) -> tuple[Signal, Signal]:
    """Voiced source and breath noise that pulses with it, each ``[sample]``."""
    hop = spoken.hop_samples
    f0_hz = _upsample(spoken.f0_hz, hop, n_samples)
    phase = phase_of(f0_hz, rate_hz) + rng.random()
    levels = np.floor(2 * np.log2(np.maximum(f0_hz, LOWEST_HZ) / LOWEST_HZ)).astype(np.int64)
    levels = np.clip(levels, 0, N_LEVELS - 1)
    voiced = read_levels(glottal_tables(singer, rate_hz), levels, phase)
    if singer.growl > 0:
        divisor = float(rng.choice([2, 3]))
        rough = np.cos(2 * np.pi * phase / divisor).astype(np.float32)
        voiced *= 1 + _upsample(spoken.growl, hop, n_samples) * rough
    voiced *= _upsample(spoken.voicing, hop, n_samples)
    pulsing = 1 + 0.7 * np.cos(2 * np.pi * (phase - 0.5 * singer.open_quotient)).astype(np.float32)
    breath = noise(rng, n_samples) * _upsample(spoken.aspiration, hop, n_samples)
    return voiced, np.asarray(breath * pulsing, np.float32)


def _frames(samples: Signal, window: Signal, hop: int, n_frames: int) -> npt.NDArray[np.float32]:
    size = window.shape[0]
    padded = np.zeros((n_frames - 1) * hop + size, np.float32)
    lead = size // 2
    count = min(samples.shape[0], padded.shape[0] - lead)
    padded[lead : lead + count] = samples[:count]
    return np.lib.stride_tricks.sliding_window_view(padded, size)[::hop] * window


def _join(frames: npt.NDArray[np.float32], hop: int, n_samples: int) -> Signal:
    n_frames, size = frames.shape
    parts = size // hop
    joined = np.zeros((n_frames + parts, hop), np.float32)
    for i in range(parts):
        joined[i : i + n_frames] += frames[:, i * hop : (i + 1) * hop]
    lead = size // 2
    return joined.reshape(-1)[lead : lead + n_samples]


def render(
    rng: np.random.Generator, singer: Singer, spoken: Articulation, n_samples: int, rate_hz: int
) -> Signal:
    """Sing an articulation, ``[sample]``.

    Overlapping frames of the source are filtered in the frequency domain by the tract of their
    own moment.
    """
    hop = spoken.hop_samples
    size = 4 * hop
    n_frames = spoken.f0_hz.shape[0]
    window = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)
    tract = build_tract(singer, spoken, size // 2 + 1, rate_hz)
    voiced, breath = glottal_source(rng, singer, spoken, n_samples, rate_hz)
    glottis = fft.rfft(_frames(voiced + breath, window, hop, n_frames), axis=1)
    glottis *= tract.resonances
    hiss = noise(rng, n_samples) * _upsample(spoken.noise_gain, hop, n_samples)
    glottis += fft.rfft(_frames(hiss, window, hop, n_frames), axis=1) * tract.mouth_noise
    shaped = fft.irfft(glottis, size, axis=1).astype(np.float32, copy=False)
    return _join(shaped * (0.5 * window), hop, n_samples)


def second_voice(
    rng: np.random.Generator, singer: Singer, spoken: Articulation, semitones: Signal | float
) -> tuple[Singer, Articulation]:
    """The same words sung at an interval by a slightly different throat.

    Args:
        rng: source of all randomness.
        singer: the first singer.
        spoken: the first performance.
        semitones: interval, one number or ``[frame]``.
    """
    n_frames = spoken.f0_hz.shape[0]
    drift = 0.12 * smooth_noise(rng, n_frames, 60) + 0.05 * smooth_noise(rng, n_frames, 12)
    ratio = 2.0 ** ((semitones + drift) / 12.0)
    other = replace(
        singer,
        formant_scale=singer.formant_scale * float(rng.uniform(0.95, 1.05)),
        tilt_corner_hz=singer.tilt_corner_hz * float(rng.uniform(0.8, 1.2)),
    )
    return other, replace(spoken, f0_hz=(spoken.f0_hz * ratio).astype(np.float32))
