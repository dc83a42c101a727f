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
    return np.asarray(result.reshape(-1)[:n_samples], np.float32)


def _denominator(
    centre_hz: npt.NDArray[np.float32],
    bandwidth_hz: npt.NDArray[np.float32],
    bins_hz: npt.NDArray[np.float32],
) -> npt.NDArray[np.complex64]:
    """Inverse response of a resonance of unit gain at 0 Hz, ``[frame, bin]``."""
    inverse = (1.0 / centre_hz**2).astype(np.float32)
    result = np.empty((centre_hz.shape[0], bins_hz.shape[1]), np.complex64)
    np.multiply(-inverse, bins_hz**2, out=result.real)
    result.real += 1.0
    np.multiply(bandwidth_hz * inverse, bins_hz, out=result.imag)
    return result


def _high_formants(singer: Singer, bins_hz: npt.NDArray[np.float32]) -> npt.NDArray[np.complex64]:
    centres_hz = np.array(singer.high_formants_hz, np.float32)[:, None]
    inverses = _denominator(centres_hz, centres_hz * np.float32(singer.high_damping), bins_hz)
    return np.asarray(np.prod(1.0 / inverses, axis=0, keepdims=True), np.complex64)


def build_tract(singer: Singer, spoken: Articulation, n_bins: int, sample_rate_hz: int) -> Tract:
    """Vocal tract responses of an articulation as sung by one singer.

    Resonances move slowly, so they are worked out for every second frame only.
    """
    bins_hz = np.linspace(0, sample_rate_hz / 2, n_bins, dtype=np.float32)[None, :]
    nasal = spoken.nasal[::2, None]
    damping = np.float32(singer.bandwidth) * (1 + np.float32(1.2) * nasal)
    inverse = np.ones((nasal.shape[0], n_bins), np.complex64)
    for i in range(4):
        centre_hz = spoken.formants_hz[::2, i : i + 1] * np.float32(
            singer.formant_scale * singer.vowel_colour[i]
        )
        if i == 0:
            centre_hz = np.maximum(centre_hz, np.float32(1.02) * spoken.f0_hz[::2, None])
        inverse *= _denominator(centre_hz, damping * (50 + np.float32(0.03) * centre_hz), bins_hz)
    shape = _high_formants(singer, bins_hz) * _ring(singer, bins_hz)
    response = shape / inverse
    response *= _colour(singer, nasal, spoken.tilt_db[::2, None], bins_hz)
    resonances = np.repeat(response, 2, axis=0)[: spoken.nasal.shape[0]]
    return Tract(resonances, spoken.noise @ noise_shapes(singer, bins_hz))


def _ring(singer: Singer, bins_hz: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The singer's formant, ``[1, bin]``."""
    distance = np.log2(np.maximum(bins_hz, 60.0) / singer.ring_hz) / 0.3
    return np.asarray(1.0 + singer.ring * np.exp(-(distance**2)), np.float32)


def _colour(
    singer: Singer,
    nasal: npt.NDArray[np.float32],
    tilt_db: npt.NDArray[np.float32],
    bins_hz: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    """Nasal zero and spectral tilt by effort, ``[frame, bin]``."""
    zero_hz = singer.nasal_zero_hz
    notch = np.exp(-(((bins_hz - zero_hz) / (0.35 * zero_hz)) ** 2))
    dull = 1.0 / (1.0 + (bins_hz / 1800.0) ** 2)
    loss = (0.9 * notch + 0.75 * (1 - notch) * (1 - dull)).astype(np.float32)
    octaves = np.log2(np.maximum(bins_hz, 60.0) / 400.0)
    slope = (np.clip(octaves, -0.5, 4.5) * (np.log(10) / 20)).astype(np.float32)
    return np.asarray((1 - nasal * loss) * np.exp(tilt_db * slope), np.float32)


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
    uneven = singer.phase_noise * noise(rng, spoken.f0_hz.shape[0] * 4)
    phase = phase_of(f0_hz, rate_hz) + 1.0 + rng.random()
    phase += _upsample(uneven, hop // 4, n_samples)
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
