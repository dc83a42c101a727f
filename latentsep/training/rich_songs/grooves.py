"""Drum and percussion patterns for General MIDI kits."""

import numpy as np

from latentsep.training.rich_songs.instruments import KITS
from latentsep.training.rich_songs.midi import Part
from latentsep.training.songs.harmony import Note, Plan

STEPS_PER_BEAT = 4

Bar = dict[int, np.ndarray]
"""Per drum of the General MIDI map, the velocity of each step of one bar; 0 is a rest."""

KICKS, SNARES, CLOSED_HATS = (35, 36), (38, 40, 37, 39), (42, 44, 54, 70, 82, 51, 59)
OPEN_HAT, CRASHES, TOMS = 46, (49, 57, 52, 55), (50, 48, 47, 45, 43, 41)
HAND_DRUMS = (56, 58, *range(60, 70), *range(73, 79), 80, 81)


def drum_part(rng: np.random.Generator, plan: Plan) -> Part:
    """A drummer: two patterns in turn, fills, and crashes after them."""
    bars = [_pattern(rng, plan) for _ in range(2)]
    period = int(rng.choice([4, 8]))
    crash = int(rng.choice(CRASHES))
    notes: list[Note] = []
    for number in range(plan.n_bars):
        bar = bars[number // period % 2]
        if number % period == period - 1 and rng.random() < 0.7:
            bar = _with_fill(rng, bar)
        if number % period == 0 and rng.random() < 0.6:
            bar = bar | {crash: _steps(plan, [0], 0.8)}
        notes += _played(rng, plan, number, bar)
    return Part(int(rng.choice(KITS)), tuple(notes), percussion=True)


def percussion_part(rng: np.random.Generator, plan: Plan) -> Part:
    """Hand drums, shakers and bells without a drum kit."""
    n_steps = STEPS_PER_BEAT * plan.beats_per_bar
    drums = rng.choice(HAND_DRUMS, int(rng.integers(1, 4)), replace=False)
    density = rng.uniform(0.15, 0.5)
    bar = {int(d): rng.uniform(0.4, 1, n_steps) * (rng.random(n_steps) < density) for d in drums}
    notes = [n for number in range(plan.n_bars) for n in _played(rng, plan, number, bar)]
    return Part(0, tuple(notes), percussion=True)


def _steps(plan: Plan, places: list[int], velocity: float) -> np.ndarray:
    row = np.zeros(STEPS_PER_BEAT * plan.beats_per_bar)
    row[places] = velocity
    return row


def _pattern(rng: np.random.Generator, plan: Plan) -> Bar:
    n_steps = STEPS_PER_BEAT * plan.beats_per_bar
    kick = _kick(rng, plan)
    back = [s for s in range(n_steps) if s // STEPS_PER_BEAT % 2 and s % STEPS_PER_BEAT == 0]
    if rng.random() < 0.2:
        back = [n_steps // 2]
    snare = _steps(plan, back, rng.uniform(0.75, 1))
    ghosts = (rng.random(n_steps) < rng.uniform(0, 0.15)) & (snare == 0)
    snare[ghosts] = rng.uniform(0.15, 0.4)
    every = int(rng.choice([1, 2, 4], p=[0.3, 0.5, 0.2]))
    hat = _steps(plan, list(range(0, n_steps, every)), rng.uniform(0.35, 0.7))
    hat[::STEPS_PER_BEAT] *= rng.uniform(1, 1.4)
    bar = {int(rng.choice(KICKS)): kick, int(rng.choice(SNARES)): snare}
    if rng.random() < 0.9:
        bar[int(rng.choice(CLOSED_HATS))] = np.minimum(hat, 1)
    if rng.random() < 0.3:
        bar[OPEN_HAT] = _steps(plan, list(range(2, n_steps, STEPS_PER_BEAT)), 0.6)
    if rng.random() < 0.25:
        bar[int(rng.choice(HAND_DRUMS))] = 0.6 * (rng.random(n_steps) < 0.25)
    return bar


def _kick(rng: np.random.Generator, plan: Plan) -> np.ndarray:
    n_steps = STEPS_PER_BEAT * plan.beats_per_bar
    kind = rng.random()
    if kind < 0.3:
        return _steps(plan, list(range(0, n_steps, STEPS_PER_BEAT)), 0.95)
    row = _steps(plan, [0], 1.0)
    row[rng.random(n_steps) < rng.uniform(0.05, 0.3)] = rng.uniform(0.6, 1)
    return row


def _with_fill(rng: np.random.Generator, bar: Bar) -> Bar:
    n_steps = len(next(iter(bar.values())))
    start = n_steps - int(rng.choice([n_steps // 4, n_steps // 2]))
    filled = {drum: np.where(np.arange(n_steps) < start, row, 0.0) for drum, row in bar.items()}
    toms = np.sort(rng.choice(len(TOMS), n_steps - start))
    for step, tom in zip(range(start, n_steps), toms, strict=True):
        if rng.random() < 0.75:
            row = filled.setdefault(TOMS[int(tom)], np.zeros(n_steps))
            row[step] = rng.uniform(0.5, 1)
    return filled


def _played(rng: np.random.Generator, plan: Plan, number: int, bar: Bar) -> list[Note]:
    step_s = plan.beat_s / STEPS_PER_BEAT
    bar_start_s = plan.origin_s + number * plan.bar_s
    notes = []
    for drum, row in bar.items():
        for step in np.flatnonzero(row):
            late_s = plan.swing * step_s if step % 2 else 0.0
            start_s = bar_start_s + step * step_s + late_s + rng.normal(0, 0.004)
            velocity = float(np.clip(row[step] * rng.uniform(0.8, 1.05), 0.05, 1))
            if 0 <= start_s < plan.duration_s:
                notes.append(Note(float(start_s), 0.2, float(drum), velocity))
    return notes
