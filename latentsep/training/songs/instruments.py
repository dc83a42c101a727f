"""Pitched instruments that are not voices: one patch each, rendered note by note."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from latentsep.training.songs.effects import Signal, band, noise, smooth_noise
from latentsep.training.songs.harmony import Note
from latentsep.training.songs.oscillators import (
    harmonic_numbers,
    hertz,
    phase_of,
    scan,
    tables_from_spectra,
)

N_ROWS = 24
"""Wavetable rows of a note whose spectrum moves."""

KINDS = (
    "saw", "square", "pulse", "triangle", "sine", "organ", "pluck", "piano", "fm", "bell",
    "strings", "brass", "flute", "reed",
)  # fmt: skip


@dataclass(frozen=True)
class Patch:
    """One sound.

    Attributes:
        kind: spectrum family, one of ``KINDS``.
        attack_s: rise time.
        decay_s: time constant of the fall; None holds the note.
        release_s: time constant after the note's end.
        cutoff_hz: low-pass corner at rest.
        sweep_octaves: how far the corner starts above (or below) that.
        sweep_s: time constant of the sweep.
        resonance: gain at the corner.
        detune_cents: spread of the two oscillators; 0 uses one.
        vibrato_hz: vibrato rate.
        vibrato_cents: vibrato depth.
        vibrato_delay_s: time before it sets in.
        glide_s: portamento of monophonic lines.
        noise: level of blown or bowed noise.
        shape: free shape parameter of the family, 0..1.
        weights: levels of organ drawbars or body resonances.
    """

    kind: str
    attack_s: float
    decay_s: float | None
    release_s: float
    cutoff_hz: float
    sweep_octaves: float
    sweep_s: float
    resonance: float
    detune_cents: float
    vibrato_hz: float
    vibrato_cents: float
    vibrato_delay_s: float
    glide_s: float
    noise: float
    shape: float
    weights: tuple[float, ...]


def random_patch(rng: np.random.Generator, kind: str) -> Patch:
    """Draw a patch of one family."""
    struck = kind in ("pluck", "piano", "fm", "bell")
    bowed = kind in ("strings", "brass", "flute", "reed")
    synth = kind in ("saw", "square", "pulse", "triangle", "sine")
    decay_s = float(np.exp(rng.uniform(np.log(0.15), np.log(2.0))))
    attack_s = 0.002 if struck else float(np.exp(rng.uniform(np.log(0.005), np.log(0.15))))
    vibrato = rng.random() < (0.7 if bowed else 0.35)
    return Patch(
        kind=kind,
        attack_s=attack_s,
        decay_s=decay_s if struck or (synth and rng.random() < 0.4) else None,
        release_s=float(rng.uniform(0.02, 0.25)),
        cutoff_hz=float(np.exp(rng.uniform(np.log(600), np.log(12000)))),
        sweep_octaves=float(rng.uniform(-1.5, 3)) if synth or kind == "brass" else 0.0,
        sweep_s=float(rng.uniform(0.03, 0.6)),
        resonance=float(rng.uniform(0, 2.5)) if synth else 0.0,
        detune_cents=float(rng.uniform(3, 25)) if synth and rng.random() < 0.6 else 0.0,
        vibrato_hz=float(rng.uniform(4.0, 7.5)),
        vibrato_cents=float(rng.uniform(8, 70)) if vibrato else 0.0,
        vibrato_delay_s=float(rng.uniform(0.0, 0.5)),
        glide_s=float(rng.choice([0.005, rng.uniform(0.02, 0.15)])),
        noise=float(rng.uniform(0.005, 0.12)) if bowed else 0.0,
        shape=float(rng.random()),
        weights=tuple(float(w) for w in rng.random(9)),
    )


def _organ(numbers: npt.NDArray[np.float32], patch: Patch) -> npt.NDArray[np.float32]:
    levels = np.zeros_like(numbers)
    for bar, weight in zip((1, 2, 3, 4, 5, 6, 8, 10, 16), patch.weights, strict=True):
        if bar <= len(levels):
            levels[bar - 1] += weight
    return levels


def _body(numbers: npt.NDArray[np.float32], f0_hz: float, patch: Patch) -> npt.NDArray[np.float32]:
    """Fixed resonances of a wooden or brass body."""
    octaves = np.log2(numbers * f0_hz)
    gain = np.full_like(numbers, 0.4)
    for i in range(0, 8, 2):
        centre = np.log2(250.0) + 4.2 * patch.weights[i]
        gain += 1.5 * patch.weights[i + 1] * np.exp(-(((octaves - centre) / 0.25) ** 2))
    return gain


def base_spectrum(
    patch: Patch, numbers: npt.NDArray[np.float32], f0_hz: float
) -> npt.NDArray[np.float32]:
    """Harmonic levels at the note's start, ``[harmonic]``."""
    odd = np.mod(numbers, 2)
    even_share = 0.1 + 0.3 * patch.shape
    families: dict[str, Callable[[], npt.NDArray[Any]]] = {
        "saw": lambda: 1 / numbers,
        "square": lambda: odd / numbers,
        "pulse": lambda: np.abs(np.sin(np.pi * numbers * (0.05 + 0.4 * patch.shape))) / numbers,
        "triangle": lambda: odd / numbers**2,
        "sine": lambda: (numbers == 1) + 0.2 * patch.shape * (numbers == 2),
        "organ": lambda: _organ(numbers, patch),
        "pluck": lambda: np.abs(np.sin(np.pi * numbers * (0.07 + 0.35 * patch.shape)))
        / numbers ** (0.8 + 0.5 * patch.weights[8]) * _body(numbers, f0_hz, patch),
        "piano": lambda: np.exp(-numbers * f0_hz / 3500) / numbers**0.7,
        "strings": lambda: _body(numbers, f0_hz, patch) / numbers,
        "brass": lambda: _body(numbers, f0_hz, patch) / numbers**0.8,
        "flute": lambda: 1 / numbers ** (2 + 2 * patch.shape),
        "reed": lambda: (odd + (1 - odd) * even_share) / numbers * _body(numbers, f0_hz, patch),
    }  # fmt: skip
    return np.asarray(families[patch.kind](), np.float32)


def _rows(patch: Patch, f0_hz: float, duration_s: float, rate_hz: int) -> npt.NDArray[np.float32]:
    """Wavetables over the note's life, ``[row, table_sample]``."""
    numbers = harmonic_numbers(f0_hz, rate_hz)
    levels = base_spectrum(patch, numbers, f0_hz)
    time_s = np.linspace(0, duration_s, N_ROWS, dtype=np.float32)[:, None]
    cutoff_hz = patch.cutoff_hz * 2.0 ** (patch.sweep_octaves * np.exp(-time_s / patch.sweep_s))
    cutoff_hz = np.maximum(cutoff_hz, 1.2 * f0_hz)
    ratio = (numbers * f0_hz)[None, :] / cutoff_hz
    gain = 1 / np.sqrt(1 + ratio**4)
    gain *= 1 + patch.resonance * np.exp(-((np.log2(ratio) / 0.25) ** 2))
    if patch.kind in ("pluck", "piano"):
        damping = (0.4 + 2.0 * patch.shape) * (numbers * f0_hz / 1500.0) ** 0.9
        gain *= np.exp(-damping[None, :] * time_s)
    spectrum = levels[None, :] * gain
    spectrum /= np.sqrt(np.sum(spectrum[0] ** 2)) + 1e-9
    turns = np.mod(numbers**2 * (0.1 + 0.618 * patch.shape), 1.0)
    phases = np.exp(2j * np.pi * turns * (0.3 if patch.kind in ("saw", "square") else 1.0))
    return tables_from_spectra((spectrum * phases[None, :]).astype(np.complex64))


def _envelope(patch: Patch, n_held: int, n_total: int, rate_hz: int) -> Signal:
    time_s = np.arange(n_total, dtype=np.float32) / rate_hz
    level = 1 - np.exp(-time_s / (patch.attack_s / 3))
    if patch.decay_s is not None:
        level *= np.exp(-time_s / patch.decay_s)
    after_s = np.maximum(time_s - n_held / rate_hz, 0)
    level *= np.exp(-after_s / patch.release_s)
    fade = min(n_total, 64)
    level[n_total - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    return np.asarray(level, np.float32)


def _fm(patch: Patch, phase: npt.NDArray[np.float64], rate_hz: int) -> Signal:
    ratios = (1.0, 2.0, 3.0, 7.0, 14.0) if patch.kind == "fm" else (1.41, 2.76, 3.5, 5.4, 1.73)
    ratio = ratios[int(patch.shape * 4.99)]
    time_s = np.arange(phase.shape[0], dtype=np.float32) / rate_hz
    index = (0.4 + 3 * patch.weights[0]) / np.sqrt(ratio)
    index = index * np.exp(-time_s / (0.1 + 0.8 * patch.weights[1]))
    turns = np.mod(phase, 64.0 * 100).astype(np.float64)
    inner = np.sin((2 * np.pi * ratio * turns).astype(np.float32))
    return np.asarray(
        np.sin((2 * np.pi * np.mod(phase, 1.0)).astype(np.float32) + index * inner), np.float32
    )


def _tone(
    patch: Patch, f0_hz: float, phase: npt.NDArray[np.float64], duration_s: float, rate_hz: int
) -> Signal:
    if patch.kind in ("fm", "bell"):
        return _fm(patch, phase, rate_hz)
    tables = _rows(patch, f0_hz, duration_s, rate_hz)
    position = np.linspace(0, N_ROWS - 1, phase.shape[0], dtype=np.float32)
    moving = patch.sweep_octaves != 0 or patch.kind in ("pluck", "piano")
    return scan(tables if moving else tables[:1], position, phase)


def _pitch_curve(
    rng: np.random.Generator, patch: Patch, n_samples: int, rate_hz: int, from_semitones: float
) -> npt.NDArray[np.float32]:
    """Deviation from the note's pitch in semitones, ``[sample]``."""
    time_s = np.arange(n_samples, dtype=np.float32) / rate_hz
    curve = from_semitones * np.exp(-time_s / patch.glide_s)
    if patch.vibrato_cents > 0:
        rise = np.clip((time_s - patch.vibrato_delay_s) / 0.25, 0, 1)
        wave = np.sin(2 * np.pi * (patch.vibrato_hz * time_s + rng.random()))
        curve += patch.vibrato_cents / 100 * rise * wave
    return np.asarray(curve, np.float32)


def play_note(
    rng: np.random.Generator, patch: Patch, note: Note, rate_hz: int, from_semitones: float = 0.0
) -> Signal:
    """One note, ``[sample]``, at unit level times velocity, with its release.

    Args:
        rng: source of all randomness.
        patch: the sound.
        note: its start is ignored.
        rate_hz: sample rate.
        from_semitones: interval above the pitch from which the note glides in.
    """
    n_held = max(64, int(note.duration_s * rate_hz))
    n_total = n_held + int(3 * patch.release_s * rate_hz)
    f0_hz = hertz(note.pitch_midi)
    if patch.vibrato_cents > 0 or from_semitones:
        bend = _pitch_curve(rng, patch, n_total, rate_hz, from_semitones)
        phase = phase_of(f0_hz * 2.0 ** (bend / 12), rate_hz)
        f0_hz *= 2.0 ** (max(0.0, from_semitones) / 12)
    else:
        phase = np.arange(n_total, dtype=np.float64) * (f0_hz / rate_hz)
    duration_s = n_total / rate_hz
    tone = _tone(patch, f0_hz, phase + rng.random(), duration_s, rate_hz)
    if patch.detune_cents > 0:
        other = phase * 2.0 ** (patch.detune_cents / 1200) + rng.random()
        tone = 0.7 * (tone + _tone(patch, f0_hz, other, duration_s, rate_hz))
    if patch.noise > 0:
        tone = tone + _blown(rng, patch, n_total, f0_hz, rate_hz)
    return np.asarray(note.velocity * tone * _envelope(patch, n_held, n_total, rate_hz), np.float32)


def _blown(
    rng: np.random.Generator, patch: Patch, n_samples: int, f0_hz: float, rate_hz: int
) -> Signal:
    hiss = band(noise(rng, n_samples), f0_hz, min(8 * f0_hz, 12_000.0), rate_hz, order=1)
    swell = 1 + 0.3 * smooth_noise(rng, n_samples // 512 + 2, 8)
    places = np.arange(n_samples, dtype=np.float32) / 512
    return np.asarray(
        patch.noise * 3 * hiss * np.interp(places, np.arange(len(swell)), swell), np.float32
    )


class Sampler:
    """Plays a patch, rendering each pitch and length only once or twice."""

    def __init__(self, rng: np.random.Generator, patch: Patch, rate_hz: int) -> None:
        self._rng = rng
        self._patch = patch
        self._rate_hz = rate_hz
        self._takes: dict[tuple[float, int, int], Signal] = {}

    def add(self, stem: Signal, note: Note) -> None:
        """Add one note to ``stem``, ``[sample]``, in place."""
        key = (note.pitch_midi, round(note.duration_s * 50), int(self._rng.integers(2)))
        if key not in self._takes:
            unit = Note(0.0, note.duration_s, note.pitch_midi, 1.0)
            self._takes[key] = play_note(self._rng, self._patch, unit, self._rate_hz)
        take = self._takes[key]
        start = max(0, int(note.start_s * self._rate_hz))
        stop = min(stem.shape[0], start + take.shape[0])
        if stop > start:
            stem[start:stop] += np.float32(note.velocity) * take[: stop - start]
