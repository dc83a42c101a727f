"""Pitch of a phrase, frame by frame."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from latentsep.training.rich_songs.speech import FRAME_S
from latentsep.training.songs.articulation import Manner
from latentsep.training.songs.effects import smooth_noise
from latentsep.training.songs.singer import Singer

Curve = npt.NDArray[np.float64]

Tone = tuple[int, int, float]
"""First frame, the frame after the last, and the MIDI pitch of a note."""

AUTOTUNE_GLIDE_S = 0.015


def sung_pitch_hz(
    rng: np.random.Generator, singer: Singer, manner: Manner, tones: list[Tone], n_frames: int
) -> Curve:
    """Notes joined by glides, with vibrato, scoops, falls and drift, ``[frame]``."""
    midi = np.full(n_frames, np.nan)
    vibrato = np.zeros(n_frames)
    for begin, end, pitch in tones:
        midi[begin:end] = pitch + _bent(rng, singer, manner, end - begin)
        vibrato[begin:end] = _vibrato(rng, singer, end - begin)
    if rng.random() < 0.35:
        begin, end, _ = tones[-1]
        depth = rng.choice([2.0, 5.0, 12.0], p=[0.5, 0.35, 0.15]) * rng.uniform(0.3, 1.0)
        midi[begin:end] -= depth * np.clip(np.linspace(-3, 1, end - begin), 0, 1)
    glide_s = AUTOTUNE_GLIDE_S if manner.quantised else singer.portamento_s
    smooth = _hann(_filled(midi), glide_s / FRAME_S)
    if manner.quantised:
        return _hertz(smooth)
    jitter = ndimage.uniform_filter1d(rng.standard_normal(n_frames), 3)
    drift = singer.drift_cents * smooth_noise(rng, n_frames, 0.35 / FRAME_S)
    return _hertz(smooth + vibrato + (drift + singer.jitter_cents * jitter) / 100)


def chanted_pitch_hz(
    rng: np.random.Generator, singer: Singer, tones: list[Tone], n_frames: int
) -> Curve:
    """Speech melody in the rhythm of the notes: each syllable slides, the phrase sinks."""
    base = 0.65 * singer.low_midi + 0.35 * singer.high_midi + rng.normal(0, 1)
    liveliness = rng.uniform(0.7, 3.5)
    midi = np.full(n_frames, np.nan)
    for begin, end, _ in tones:
        start, stop = rng.normal(base + 0.5, liveliness, 2) - [0, 1.5]
        midi[begin:end] = np.linspace(start, stop, end - begin)
        base -= 0.12
    return _hertz(_hann(_filled(midi), 0.06 / FRAME_S) + 0.1 * rng.standard_normal(n_frames))


def _bent(rng: np.random.Generator, singer: Singer, manner: Manner, count: int) -> Curve:
    """Semitones off the note: approached from below, never quite in tune."""
    if manner.quantised:
        return np.zeros(count)
    time_s = np.arange(count) * FRAME_S
    lean = np.interp(np.linspace(0, 2, count), np.arange(3), rng.normal(0, 0.2, 3))
    if rng.random() < 0.5:
        depth = rng.uniform(0.2, 1.0) * singer.scoop_semitones
        lean -= depth * np.exp(-time_s / rng.uniform(0.02, 0.12))
    return np.asarray(lean)


def _vibrato(rng: np.random.Generator, singer: Singer, count: int) -> Curve:
    time_s = np.arange(count) * FRAME_S
    delay_s = singer.vibrato_delay_s * rng.uniform(0.5, 1.5)
    depth = singer.vibrato_cents / 100 * rng.uniform(0.3, 1.2) * (rng.random() < 0.85)
    rate_hz = singer.vibrato_hz * (1 + 0.05 * rng.standard_normal())
    phase = rate_hz * time_s * (1 + 0.05 * time_s) + rng.random()
    return np.asarray(depth * np.clip((time_s - delay_s) / 0.3, 0, 1) * np.sin(2 * np.pi * phase))


def _filled(midi: Curve) -> Curve:
    known = np.flatnonzero(~np.isnan(midi))
    return np.interp(np.arange(len(midi)), known, midi[known])


def _hann(curve: Curve, width_frames: float) -> Curve:
    size = max(1, round(width_frames)) | 1
    kernel = np.hanning(size + 2)[1:-1]
    return np.asarray(ndimage.convolve1d(curve, kernel / kernel.sum(), mode="nearest"))


def _hertz(midi: Curve) -> Curve:
    return np.asarray(440.0 * 2.0 ** ((np.clip(midi, 33, 94) - 69) / 12))
