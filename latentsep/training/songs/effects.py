"""Studio effects for generated stems: filters, dynamics, reverbs, echoes and stereo images.

All of them take and return float32; ``[channel, sample]`` unless a docstring says otherwise.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage, signal

from latentsep.audio.waveform import Waveform

Signal = npt.NDArray[np.float32]
"""``[sample]`` float32, one channel."""


def _float32(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return np.asarray(values, np.float32)


def amplitude(gain_db: float) -> float:
    """Linear factor of a gain in decibels."""
    return float(10.0 ** (gain_db / 20.0))


def noise(rng: np.random.Generator, shape: int | tuple[int, ...]) -> npt.NDArray[np.float32]:
    """White Gaussian noise of unit variance."""
    return rng.standard_normal(shape, dtype=np.float32)


def smooth_noise(rng: np.random.Generator, n_frames: int, period_frames: float) -> Signal:
    """Slow random curve of about unit variance, ``[frame]``."""
    n_nodes = max(4, int(n_frames / max(period_frames, 1.0)) + 3)
    nodes = rng.standard_normal(n_nodes)
    places = np.linspace(0.0, n_nodes - 1.001, n_frames)
    whole = places.astype(int)
    fraction = 0.5 - 0.5 * np.cos(np.pi * (places - whole))
    curve = nodes[whole] * (1 - fraction) + nodes[whole + 1] * fraction
    return np.asarray(1.2 * curve, np.float32)


def rms(waveform: npt.NDArray[np.float32]) -> float:
    """Root mean square over everything."""
    return float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64)) + 1e-20))


def convolve(waveform: Waveform, impulse: Waveform) -> Waveform:
    """Linear convolution of each channel, cut to the length of ``waveform``.

    Args:
        waveform: ``[channel, sample]``.
        impulse: ``[channel, sample]`` with as many channels, or one.
    """
    n_samples = waveform.shape[-1]
    size = fft.next_fast_len(n_samples + impulse.shape[-1] - 1, real=True)
    spectrum = fft.rfft(waveform, size) * fft.rfft(impulse, size)
    return fft.irfft(spectrum, size)[..., :n_samples].astype(np.float32, copy=False)


def filter_blocks(
    waveform: npt.NDArray[np.float32], taps: Signal, lead_samples: int
) -> npt.NDArray[np.float32]:
    """Convolve with a short filter by overlap-add, shifted ``lead_samples`` earlier."""
    size = 8192
    step = size - taps.shape[0] + 1
    rows = waveform.reshape(-1, waveform.shape[-1])
    n_blocks = -(-(rows.shape[1] + lead_samples) // step)
    padded = np.zeros((rows.shape[0], n_blocks * step), np.float32)
    padded[:, : rows.shape[1]] = rows
    blocks = fft.rfft(padded.reshape(rows.shape[0], n_blocks, step), size)
    filtered = fft.irfft(blocks * fft.rfft(taps, size), size)
    joined = np.zeros((rows.shape[0], n_blocks + 1, step), np.float32)
    joined[:, :-1] += filtered[..., :step]
    joined[:, 1:, : size - step] += filtered[..., step:]
    flat = joined.reshape(rows.shape[0], -1)
    flat = flat[:, lead_samples : lead_samples + rows.shape[1]]
    return np.ascontiguousarray(flat.reshape(waveform.shape))


def equalise(
    waveform: npt.NDArray[np.float32],
    nodes_hz: list[float],
    gains_db: list[float],
    sample_rate_hz: int,
) -> npt.NDArray[np.float32]:
    """Zero-phase equaliser whose gain is piecewise linear in dB over log frequency."""
    size = 2048
    frequencies_hz = np.maximum(np.arange(size // 2 + 1) * (sample_rate_hz / size), 1.0)
    gain = 10.0 ** (np.interp(np.log(frequencies_hz), np.log(nodes_hz), gains_db) / 20.0)
    taps = np.roll(fft.irfft(gain, size), size // 2) * np.hanning(size)
    return filter_blocks(waveform, taps.astype(np.float32), size // 2)


def random_equaliser(
    rng: np.random.Generator,
    waveform: npt.NDArray[np.float32],
    sample_rate_hz: int,
    depth_db: float = 4.0,
) -> npt.NDArray[np.float32]:
    """A gentle random curve, as of another microphone, room or engineer."""
    nodes_hz = [40.0, 90.0, 200.0, 450.0, 1000.0, 2200.0, 4500.0, 9000.0, 18000.0]
    gains_db = [float(g) for g in rng.normal(0.0, depth_db * 0.6, len(nodes_hz))]
    slope_db = float(rng.normal(0.0, depth_db * 0.25))
    tilted = [g + slope_db * (i - 4) for i, g in enumerate(gains_db)]
    return equalise(waveform, nodes_hz, tilted, sample_rate_hz)


def band(
    waveform: npt.NDArray[np.float32],
    low_hz: float | None,
    high_hz: float | None,
    sample_rate_hz: int,
    order: int = 2,
) -> npt.NDArray[np.float32]:
    """Butterworth high-pass at ``low_hz`` and low-pass at ``high_hz``; None leaves a side open."""
    result: npt.NDArray[Any] = waveform
    if low_hz is not None:
        corner_hz = min(low_hz, 0.4 * sample_rate_hz)
        sos = signal.butter(order, corner_hz, "highpass", fs=sample_rate_hz, output="sos")
        result = signal.sosfilt(sos, result)
    if high_hz is not None and high_hz < 0.45 * sample_rate_hz:
        sos = signal.butter(order, high_hz, "lowpass", fs=sample_rate_hz, output="sos")
        result = signal.sosfilt(sos, result)
    return np.asarray(result, dtype=np.float32)


def saturate(waveform: npt.NDArray[np.float32], drive: float) -> npt.NDArray[np.float32]:
    """Soft clip by tanh; the level is taken relative to the signal's own loud parts."""
    loud = float(np.max(np.abs(waveform), initial=0.0)) + 1e-9
    return np.asarray(np.tanh(waveform * (drive / loud)) * (loud / np.tanh(drive)), np.float32)


def gain_curve(
    level: Signal, threshold_db: float, ratio: float, attack_s: float, block_s: float
) -> Signal:
    """Compressor gain per block from the blocks' RMS, ``[block]``, smoothed over the attack."""
    level_db = 20.0 * np.log10(level + 1e-6)
    reduction_db = np.maximum(level_db - threshold_db, 0.0) * (1.0 - 1.0 / ratio)
    release_blocks = max(2, round(4.0 * attack_s / block_s))
    held = ndimage.maximum_filter1d(reduction_db, max(1, release_blocks // 3))
    smooth_db = ndimage.uniform_filter1d(held, release_blocks, mode="nearest")
    return np.asarray(10.0 ** (-smooth_db / 20.0), dtype=np.float32)


def compressor_gain(
    waveform: Waveform, threshold_db: float, ratio: float, attack_s: float, sample_rate_hz: int
) -> Signal:
    """Gain per sample of a compressor keyed by ``waveform``; the threshold is relative to its RMS.

    Returns:
        ``[sample]``; multiplying several stems by it keeps their sum consistent.
    """
    block = 256
    n_samples = waveform.shape[-1]
    n_blocks = -(-n_samples // block)
    power = np.zeros(n_blocks * block, np.float32)
    power[:n_samples] = np.mean(np.square(np.atleast_2d(waveform)), axis=0)
    level = np.sqrt(power.reshape(n_blocks, block).mean(axis=1))
    loudness_db = 20.0 * np.log10(rms(waveform) + 1e-9)
    gain = gain_curve(level, loudness_db + threshold_db, ratio, attack_s, block / sample_rate_hz)
    centres = (np.arange(n_blocks) + 0.5) * block
    return np.interp(np.arange(n_samples), centres, gain).astype(np.float32)


def compress(
    waveform: npt.NDArray[np.float32],
    threshold_db: float,
    ratio: float,
    attack_s: float,
    sample_rate_hz: int,
) -> npt.NDArray[np.float32]:
    """Compressor with its threshold relative to the signal's RMS."""
    return waveform * compressor_gain(waveform, threshold_db, ratio, attack_s, sample_rate_hz)


def pan(mono: Signal, position: float) -> Waveform:
    """Equal-power panning of ``[sample]`` to ``[channel=2, sample]``; position -1..1."""
    angle = (position + 1.0) * np.pi / 4
    gains = np.array([[np.cos(angle)], [np.sin(angle)]], np.float32)
    return np.asarray(gains * mono[None, :], np.float32)


def widen(stereo: Waveform, width: float) -> Waveform:
    """Scale the side signal; 0 is mono, 1 leaves the image alone."""
    mid = 0.5 * (stereo[0] + stereo[1])
    side = 0.5 * width * (stereo[0] - stereo[1])
    return np.stack([mid + side, mid - side])


def warp(mono: Signal, delay_samples: npt.NDArray[np.float32]) -> Signal:
    """Read ``mono`` through a slowly moving delay, ``[sample]`` in and out."""
    n_samples = mono.shape[-1]
    whole_delay = np.ceil(delay_samples).astype(np.int64)
    fraction = whole_delay - delay_samples
    whole = np.clip(np.arange(n_samples) - whole_delay, 0, n_samples - 1)
    first = mono[whole]
    second = mono[np.minimum(whole + 1, n_samples - 1)]
    return _float32(first + (second - first) * fraction)


def tremolo(rng: np.random.Generator, stereo: Waveform, sample_rate_hz: int) -> Waveform:
    """Periodic level changes, in phase or from side to side."""
    time_s = np.arange(stereo.shape[1], dtype=np.float32) / sample_rate_hz
    turns = rng.uniform(0.5, 8.0) * time_s + rng.random()
    depth = rng.uniform(0.1, 0.45)
    offset = float(rng.choice([0.0, 0.5]))
    gains = [1 - depth + depth * np.cos(2 * np.pi * (turns + i * offset)) for i in range(2)]
    return _float32(stereo * np.stack(gains))


def wah(rng: np.random.Generator, mono: Signal, sample_rate_hz: int) -> Signal:
    """A resonance that sweeps over three bands, like a pedal; vowel-like, yet no voice."""
    centres_hz = np.sort(rng.uniform(300, 2800, 3))
    bands = [band(mono, 0.8 * c, 1.25 * c, sample_rate_hz) for c in centres_hz]
    time_s = np.arange(mono.shape[0], dtype=np.float32) / sample_rate_hz
    place = 1 + np.sin(2 * np.pi * (rng.uniform(0.3, 5.0) * time_s + rng.random()))
    result = 0.15 * mono
    for i, filtered in enumerate(bands):
        result = result + 2 * filtered * np.maximum(1 - np.abs(place - i), 0)
    return _float32(result)


def chorus(rng: np.random.Generator, mono: Signal, sample_rate_hz: int) -> Waveform:
    """Stereo chorus of a mono signal: the dry signal plus one moving copy per side."""
    n_samples = mono.shape[-1]
    time_s = np.arange(n_samples, dtype=np.float32) / sample_rate_hz
    rate_hz, depth_s = rng.uniform(0.15, 1.2), rng.uniform(0.0008, 0.004)
    wave = np.sin(2 * np.pi * rate_hz * time_s)
    base_s = rng.uniform(0.006, 0.02)
    mix = rng.uniform(0.4, 0.9)
    sides = [
        mono + mix * warp(mono, _float32((base_s + sign * depth_s * wave) * sample_rate_hz))
        for sign in (1.0, -1.0)
    ]
    return np.stack(sides).astype(np.float32) * 0.7


def reverb_impulse(rng: np.random.Generator, decay_s: float, sample_rate_hz: int) -> Waveform:
    """Impulse response of a random room: sparse early taps, then noise that darkens as it fades.

    Args:
        rng: source of all randomness.
        decay_s: time to fall by 60 dB in the middle band.
        sample_rate_hz: sample rate.

    Returns:
        ``[channel=2, sample]`` of unit energy per channel.
    """
    n_samples = int(sample_rate_hz * min(decay_s * 1.1 + 0.05, 4.0))
    n_samples = fft.next_fast_len(n_samples, real=True)
    time_s = np.arange(n_samples, dtype=np.float32) / sample_rate_hz
    edges_hz = [120.0, 700.0, 3000.0, 8000.0]
    factors = np.cumprod(rng.uniform([0.9, 0.75, 0.55, 0.4], [1.6, 1.1, 0.95, 0.9]))
    spectrum = fft.rfft(noise(rng, (2, n_samples)))
    bins_hz = np.linspace(0, sample_rate_hz / 2, spectrum.shape[1])
    tail = np.zeros((2, n_samples), np.float32)
    for i, factor in enumerate(factors):
        low = edges_hz[i]
        high = edges_hz[i + 1] if i + 1 < len(edges_hz) else sample_rate_hz
        piece = fft.irfft(spectrum * ((bins_hz >= low) & (bins_hz < high)), n_samples)
        tail += piece * np.exp(-6.9 / (decay_s * factor) * time_s)
    onset_s = rng.uniform(0.0, 0.012)
    tail *= 1.0 - np.exp(-time_s / (onset_s + 1e-4))
    for _ in range(int(rng.integers(0, 9))):
        place = int(rng.uniform(0.003, 0.06) * sample_rate_hz)
        if place < n_samples:
            tail[:, place] += rng.uniform(-1, 1, 2) * rng.uniform(2, 12)
    return _float32(tail / np.sqrt(np.sum(tail**2, axis=1, keepdims=True) + 1e-9))


def reverberate(
    rng: np.random.Generator, stereo: Waveform, decay_s: float, wet: float, sample_rate_hz: int
) -> Waveform:
    """Add a random room at the linear level ``wet``, after a random pre-delay."""
    impulse = reverb_impulse(rng, decay_s, sample_rate_hz)
    delay = int(rng.uniform(0.0, 0.05) * sample_rate_hz)
    impulse = np.pad(impulse, ((0, 0), (delay, 0)))
    return np.asarray(stereo + np.float32(wet) * convolve(stereo, impulse), np.float32)


def echo(
    rng: np.random.Generator, stereo: Waveform, delay_s: float, wet: float, sample_rate_hz: int
) -> Waveform:
    """Repeating echo, darker each time; half of the time it jumps from side to side."""
    n_samples = stereo.shape[-1]
    step = max(1, int(delay_s * sample_rate_hz))
    feedback = rng.uniform(0.15, 0.6)
    ping_pong = rng.random() < 0.5
    tap = band(stereo, rng.uniform(80, 300), rng.uniform(2000, 9000), sample_rate_hz, order=1)
    result = stereo.copy()
    level = wet
    for i in range(1, 9):
        if i * step >= n_samples or level < 0.01:
            break
        gains = np.array([[1.0], [1.0]], np.float32)
        if ping_pong:
            gains = np.array([[1.0], [0.2]] if i % 2 else [[0.2], [1.0]], np.float32)
        result[:, i * step :] += gains * np.float32(level) * tap[:, : n_samples - i * step]
        level *= feedback
    return result
