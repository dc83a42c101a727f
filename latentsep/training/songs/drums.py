"""Synthesised drum kits and patterns."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from latentsep.audio.waveform import Waveform
from latentsep.training.songs import effects
from latentsep.training.songs.effects import Signal, amplitude, band, noise
from latentsep.training.songs.harmony import Plan


def _time(duration_s: float, rate_hz: int) -> Signal:
    return (np.arange(int(duration_s * rate_hz)) / rate_hz).astype(np.float32)


def kick(rng: np.random.Generator, rate_hz: int) -> Signal:
    """Bass drum: a falling sine with a click; long decays give an 808."""
    decay_s = float(np.exp(rng.uniform(np.log(0.05), np.log(0.4))))
    time_s = _time(min(1.2, 6 * decay_s), rate_hz)
    end_hz, sweep_hz = rng.uniform(38, 75), rng.uniform(40, 350)
    sweep_s = rng.uniform(0.008, 0.05)
    phase = end_hz * time_s + sweep_hz * sweep_s * (1 - np.exp(-time_s / sweep_s))
    body = np.sin(2 * np.pi * phase) * np.exp(-time_s / decay_s)
    click = noise(rng, time_s.shape[0]) * np.exp(-time_s / rng.uniform(0.001, 0.006))
    click = band(click, rng.uniform(300, 2000), rng.uniform(4000, 9000), rate_hz)
    return effects.saturate(
        (body + rng.uniform(0.05, 0.9) * click).astype(np.float32), rng.uniform(0.5, 3)
    )


def snare(rng: np.random.Generator, rate_hz: int) -> Signal:
    """Snare: two shell modes under bright noise."""
    decay_s = float(rng.uniform(0.05, 0.2))
    time_s = _time(0.6, rate_hz)
    pitch_hz = rng.uniform(140, 280)
    bend = 1 + rng.uniform(0, 0.6) * np.exp(-time_s / 0.02)
    phase = np.cumsum(pitch_hz * bend) / rate_hz
    body = np.sin(2 * np.pi * phase) + 0.5 * np.sin(2 * np.pi * phase * rng.uniform(1.5, 1.8))
    body *= np.exp(-time_s / (decay_s * rng.uniform(0.3, 0.9)))
    rattle = band(
        noise(rng, time_s.shape[0]), rng.uniform(300, 2200), rng.uniform(6000, 16000), rate_hz
    )
    rattle = rattle * np.exp(-time_s / decay_s)
    return np.asarray(rng.uniform(0.2, 1) * body + rng.uniform(0.5, 1.6) * rattle, np.float32)


def _metal(rng: np.random.Generator, time_s: Signal, base_hz: float) -> Signal:
    ratios = np.sort(rng.uniform(1.0, 6.5, 6))
    total = np.zeros_like(time_s)
    for ratio in ratios:
        total += np.sign(np.sin(2 * np.pi * base_hz * ratio * time_s + rng.uniform(0, 6)))
    return (total / 6).astype(np.float32)


def hat(rng: np.random.Generator, rate_hz: int, open_hat: bool = False) -> Signal:
    """Hi-hat: inharmonic squares and noise above a high-pass."""
    decay_s = float(rng.uniform(0.12, 0.4) if open_hat else rng.uniform(0.012, 0.06))
    time_s = _time(min(0.9, 6 * decay_s), rate_hz)
    mix = rng.uniform(0.2, 1.0)
    raw = mix * noise(rng, time_s.shape[0]) + (1 - mix) * 2 * _metal(
        rng, time_s, rng.uniform(250, 900)
    )
    raw = band(raw.astype(np.float32), rng.uniform(4000, 8500), rng.uniform(11000, 20000), rate_hz)
    return np.asarray(raw * np.exp(-time_s / decay_s), np.float32)


def cymbal(rng: np.random.Generator, rate_hz: int) -> Signal:
    """Crash or ride with a long wash."""
    decay_s = float(rng.uniform(0.3, 1.3))
    time_s = _time(min(3.0, 4 * decay_s), rate_hz)
    raw = noise(rng, time_s.shape[0]) + rng.uniform(0, 1.5) * _metal(
        rng, time_s, rng.uniform(200, 500)
    )
    raw = band(raw.astype(np.float32), rng.uniform(600, 4000), rng.uniform(10000, 19000), rate_hz)
    attack = 1 - np.exp(-time_s / rng.uniform(0.0005, 0.006))
    return np.asarray(raw * attack * np.exp(-time_s / decay_s), np.float32)


def tom(rng: np.random.Generator, rate_hz: int) -> Signal:
    """Tom: a slightly bent sine with skin noise."""
    decay_s = float(rng.uniform(0.1, 0.35))
    time_s = _time(min(1.2, 5 * decay_s), rate_hz)
    pitch_hz = rng.uniform(70, 220)
    phase = np.cumsum(pitch_hz * (1 + rng.uniform(0.1, 0.5) * np.exp(-time_s / 0.04))) / rate_hz
    body = np.sin(2 * np.pi * phase) + 0.3 * np.sin(2 * np.pi * 1.59 * phase) * np.exp(
        -time_s / 0.05
    )
    skin = band(noise(rng, time_s.shape[0]), 200, 4000, rate_hz) * np.exp(-time_s / 0.02)
    return np.asarray(body * np.exp(-time_s / decay_s) + rng.uniform(0.1, 0.6) * skin, np.float32)


def clap(rng: np.random.Generator, rate_hz: int) -> Signal:
    """Hand claps: a few quick bursts and a tail."""
    time_s = _time(0.35, rate_hz)
    envelope = np.zeros_like(time_s)
    for i in range(int(rng.integers(2, 6))):
        start_s = i * rng.uniform(0.006, 0.014)
        envelope += np.where(time_s >= start_s, np.exp(-(time_s - start_s) / 0.005), 0)
    envelope += 0.5 * np.exp(-time_s / rng.uniform(0.03, 0.1))
    raw = band(
        noise(rng, time_s.shape[0]), rng.uniform(600, 1200), rng.uniform(2500, 9000), rate_hz
    )
    return np.asarray(raw * envelope, np.float32)


def shaker(rng: np.random.Generator, rate_hz: int) -> Signal:
    """Shaker or tambourine: noise that swells and falls."""
    time_s = _time(0.2, rate_hz)
    rise_s, fall_s = rng.uniform(0.002, 0.04), rng.uniform(0.02, 0.06)
    envelope = (1 - np.exp(-time_s / rise_s)) * np.exp(-time_s / fall_s)
    raw = noise(rng, time_s.shape[0]) + rng.uniform(0, 2) * _metal(
        rng, time_s, rng.uniform(900, 2500)
    )
    raw = band(raw.astype(np.float32), rng.uniform(3000, 7000), rng.uniform(9000, 18000), rate_hz)
    return np.asarray(raw * envelope, np.float32)


def block(rng: np.random.Generator, rate_hz: int) -> Signal:
    """Rim, wood block, cowbell or conga: one or two short modes."""
    time_s = _time(0.3, rate_hz)
    pitch_hz = float(np.exp(rng.uniform(np.log(180), np.log(2600))))
    decay_s = rng.uniform(0.01, 0.09)
    modes = np.sin(2 * np.pi * pitch_hz * time_s)
    modes += rng.uniform(0.2, 1) * np.sin(2 * np.pi * pitch_hz * rng.uniform(1.4, 2.8) * time_s)
    tick = band(noise(rng, time_s.shape[0]), 800, None, rate_hz) * np.exp(-time_s / 0.003)
    return np.asarray(modes * np.exp(-time_s / decay_s) + 0.5 * tick, np.float32)


@dataclass(frozen=True)
class Part:
    """One instrument of a kit: takes to choose from, levels and place."""

    takes: tuple[Signal, ...]
    gain: float
    position: float


Maker = Callable[[np.random.Generator, int], Signal]


def _open_hat(rng: np.random.Generator, rate_hz: int) -> Signal:
    return hat(rng, rate_hz, open_hat=True)


LEVELS_DB: dict[str, tuple[Maker, float, float]] = {
    "kick": (kick, 0.0, 0.0),
    "snare": (snare, -1.0, 0.1),
    "clap": (clap, -4.0, 0.3),
    "hat": (hat, -13.0, 0.5),
    "open_hat": (_open_hat, -13.0, 0.5),
    "cymbal": (cymbal, -11.0, 0.7),
    "tom": (tom, -3.0, 0.6),
    "shaker": (shaker, -15.0, 0.7),
    "block": (block, -10.0, 0.7),
}
"""Per part: its maker, mean peak level in dB, and the spread of its place."""


def _part(rng: np.random.Generator, name: str, rate_hz: int) -> Part:
    maker, level_db, spread = LEVELS_DB[name]
    hit = maker(rng, rate_hz)
    hit = hit / (float(np.max(np.abs(hit))) + 1e-9)
    duller = band(hit, None, rng.uniform(2500, 9000), rate_hz, order=1)
    takes = (hit.astype(np.float32), (0.5 * hit + 0.5 * duller).astype(np.float32), duller)
    return Part(
        takes, amplitude(level_db + rng.normal(0, 4.5)), float(rng.uniform(-spread, spread))
    )


Grid = dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]


def _backbeat(rng: np.random.Generator, steps: int, beats: int) -> Grid:
    """Velocities per step of one bar."""
    beat = steps // beats
    grid: Grid = {name: np.zeros(steps) for name in LEVELS_DB}
    kind = rng.random()
    if kind < 0.3:
        grid["kick"][::beat] = 1.0
    else:
        grid["kick"][0] = 1.0
        grid["kick"][rng.random(steps) < rng.uniform(0.05, 0.25)] = 0.8
    hit = "clap" if rng.random() < 0.25 else "snare"
    if beats == 4:
        grid[hit][[beat, 3 * beat] if rng.random() < 0.85 else [2 * beat]] = 1.0
    else:
        grid[hit][[beat * (beats // 2)]] = 1.0
    grid["snare"][(rng.random(steps) < rng.uniform(0, 0.12)) & (grid["snare"] == 0)] = 0.25
    every = int(rng.choice([beat, max(1, beat // 2), 1], p=[0.2, 0.5, 0.3]))
    grid["hat"][::every] = rng.uniform(0.4, 0.8)
    grid["hat"][::beat] = 1.0
    if rng.random() < 0.4:
        grid["open_hat"][beat // 2 :: beat] = rng.uniform(0.3, 1.0)
    if rng.random() < 0.3:
        grid["shaker"][:: max(1, beat // 4)] = rng.uniform(0.4, 1.0)
    if rng.random() < 0.3:
        grid["block"][rng.random(steps) < 0.2] = rng.uniform(0.4, 1.0)
    return grid


def _fill(rng: np.random.Generator, grid: Grid, steps: int) -> Grid:
    filled = {name: row.copy() for name, row in grid.items()}
    start = steps - int(rng.choice([steps // 4, steps // 2]))
    for name in filled:
        filled[name][start:] *= 0.3 if name in ("hat", "open_hat") else 1.0
    for name in ("snare", "tom"):
        filled[name][start:] = rng.uniform(0.4, 1, steps - start) * (
            rng.random(steps - start) < 0.6
        )
    return filled


def _place(stem: Waveform, hit: Signal, start: int, gain: float, position: float) -> None:
    stop = min(start + hit.shape[0], stem.shape[1])
    if start < 0 or stop <= start:
        return
    angle = (position + 1) * np.pi / 4
    for channel, weight in enumerate((np.cos(angle), np.sin(angle))):
        stem[channel, start:stop] += np.float32(gain * weight) * hit[: stop - start]


def play_drums(
    rng: np.random.Generator, plan: Plan, n_samples: int, sample_rate_hz: int
) -> Waveform:
    """A drum track, ``[channel=2, sample]``, dry kit in a small room."""
    kit = {name: _part(rng, name, sample_rate_hz) for name in LEVELS_DB}
    stem = np.zeros((2, n_samples), np.float32)
    steps_per_beat = 4
    steps = steps_per_beat * plan.beats_per_bar
    patterns = [_backbeat(rng, steps, plan.beats_per_bar) for _ in range(2)]
    step_s = plan.beat_s / steps_per_beat
    for bar in range(plan.n_bars):
        grid = patterns[bar // 8 % 2]
        last = bar % 4 == 3 and rng.random() < 0.5
        grid = _fill(rng, grid, steps) if last else grid
        start_s = plan.origin_s + bar * plan.bar_s
        if bar % 8 == 0 and rng.random() < 0.6:
            _place(
                stem, kit["cymbal"].takes[0], int(start_s * sample_rate_hz), kit["cymbal"].gain, 0.3
            )
        for name, row in grid.items():
            part = kit[name]
            for step in np.flatnonzero(row):
                late = plan.swing * step_s if step % 2 else 0.0
                time_s = start_s + step * step_s + late + rng.normal(0, 0.004)
                loud = row[step] * rng.uniform(0.8, 1.0)
                take = part.takes[0 if loud > 0.7 else int(rng.integers(1, 3))]
                _place(stem, take, int(time_s * sample_rate_hz), part.gain * loud, part.position)
    return _room(rng, stem, sample_rate_hz)


def _room(rng: np.random.Generator, stem: Waveform, sample_rate_hz: int) -> Waveform:
    result = stem
    if rng.random() < 0.8:
        wet = amplitude(rng.uniform(-24, -6))
        result = effects.reverberate(rng, result, rng.uniform(0.15, 1.2), wet, sample_rate_hz)
    if rng.random() < 0.5:
        result = effects.compress(
            result, rng.uniform(-4, 6), rng.uniform(2, 8), 0.01, sample_rate_hz
        )
    if rng.random() < 0.3:
        result = effects.saturate(result, rng.uniform(0.5, 3))
    return effects.random_equaliser(rng, result, sample_rate_hz, 4.0)
