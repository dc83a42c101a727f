"""Musical plans: tempo, key, chords, and melodies that fit them."""

from dataclasses import dataclass

import numpy as np

SCALES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "harmonic_minor": (0, 2, 3, 5, 7, 8, 11),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
}
"""Semitones above the root."""

PROGRESSIONS: tuple[tuple[int, ...], ...] = (
    (0, 4, 5, 3),
    (5, 3, 0, 4),
    (0, 5, 3, 4),
    (0, 3, 4, 4),
    (0, 3, 0, 4),
    (1, 4, 0, 0),
    (0, 6, 5, 6),
    (0, 2, 3, 4),
    (0, 0, 3, 0),
    (5, 4, 3, 4),
    (0, 6, 3, 0),
    (3, 4, 2, 5),
    (0, 0, 0, 0),
)
"""Scale degrees, counted from 0."""


@dataclass(frozen=True)
class Note:
    """One pitched event; ``velocity`` is 0..1."""

    start_s: float
    duration_s: float
    pitch_midi: float
    velocity: float


@dataclass(frozen=True)
class Plan:
    """What all players of one track share. Times are seconds from the start of the audio."""

    tempo_bpm: float
    beats_per_bar: int
    origin_s: float
    root_midi: int
    scale: tuple[int, ...]
    degrees: tuple[int, ...]
    seventh: bool
    bars_per_chord: float
    swing: float
    duration_s: float

    @property
    def beat_s(self) -> float:
        """Length of one beat."""
        return 60.0 / self.tempo_bpm

    @property
    def bar_s(self) -> float:
        """Length of one bar."""
        return self.beat_s * self.beats_per_bar

    @property
    def n_bars(self) -> int:
        """Bars needed to cover the audio, the first may begin before it."""
        return int(np.ceil((self.duration_s - self.origin_s) / self.bar_s)) + 1

    def degree_at(self, time_s: float) -> int:
        """Scale degree of the chord that sounds at a time."""
        place = (time_s - self.origin_s) / (self.bar_s * self.bars_per_chord) + 1e-6
        return self.degrees[int(np.floor(place)) % len(self.degrees)]

    def scale_pitch(self, step: int) -> int:
        """MIDI pitch of a scale step; step 0 is the root."""
        octave, index = divmod(step, len(self.scale))
        return self.root_midi + 12 * octave + self.scale[index]

    def chord(self, degree: int) -> tuple[int, ...]:
        """MIDI pitches of the chord on a scale degree, in root position."""
        steps = (0, 2, 4, 6) if self.seventh else (0, 2, 4)
        return tuple(self.scale_pitch(degree + s) for s in steps)

    def chord_spans(self) -> list[tuple[float, float, int]]:
        """``(start_s, end_s, degree)`` of every chord that touches the audio."""
        length_s = self.bar_s * self.bars_per_chord
        count = int(np.ceil((self.duration_s - self.origin_s) / length_s)) + 1
        spans = []
        for i in range(count):
            start_s = self.origin_s + i * length_s
            if start_s < self.duration_s and start_s + length_s > 0:
                spans.append((start_s, start_s + length_s, self.degrees[i % len(self.degrees)]))
        return spans


def random_plan(rng: np.random.Generator, duration_s: float) -> Plan:
    """Draw tempo, key and chords."""
    tempo_bpm = float(np.clip(rng.normal(112, 28), 60, 180))
    names = list(SCALES)
    name = names[int(rng.choice(len(names), p=[0.4, 0.3, 0.1, 0.1, 0.05, 0.05]))]
    degrees = PROGRESSIONS[int(rng.integers(len(PROGRESSIONS)))]
    if rng.random() < 0.25:
        degrees = tuple(int(d) for d in rng.integers(0, 7, int(rng.integers(3, 9))))
    beats_per_bar = int(rng.choice([4, 3, 6], p=[0.86, 0.1, 0.04]))
    bar_s = 60.0 / tempo_bpm * beats_per_bar
    return Plan(
        tempo_bpm=tempo_bpm,
        beats_per_bar=beats_per_bar,
        origin_s=float(-rng.uniform(0, 4 * bar_s)),
        root_midi=int(rng.integers(48, 60)),
        scale=SCALES[name],
        degrees=degrees,
        seventh=bool(rng.random() < 0.3),
        bars_per_chord=float(rng.choice([0.5, 1.0, 2.0], p=[0.2, 0.6, 0.2])),
        swing=float(rng.choice([0.0, rng.uniform(0.05, 0.33)], p=[0.75, 0.25])),
        duration_s=duration_s,
    )


@dataclass(frozen=True)
class LineStyle:
    """How a melodic line moves. Durations and rests are in beats."""

    low_midi: float
    high_midi: float
    durations_beats: tuple[float, ...]
    phrase_beats: tuple[float, float]
    rest_beats: tuple[float, float]
    leap: float


def vocal_style(rng: np.random.Generator, low_midi: float, high_midi: float) -> LineStyle:
    """Draw a sung line's rhythm: from slow ballads to quick verses."""
    rhythms: list[tuple[float, ...]] = [
        (0.5, 0.5, 1.0, 1.0, 1.5),
        (0.25, 0.25, 0.5, 0.5, 1.0),
        (0.5, 1.0, 2.0, 3.0),
        (1.0, 2.0, 4.0),
        (0.25, 0.5, 0.75, 1.0, 2.0),
        (0.5, 0.5, 0.5, 0.25, 1.0, 3.0),
    ]
    return LineStyle(
        low_midi=low_midi,
        high_midi=high_midi,
        durations_beats=rhythms[
            int(rng.choice(len(rhythms), p=[0.24, 0.24, 0.12, 0.05, 0.2, 0.15]))
        ],
        phrase_beats=(3.0, float(rng.uniform(5, 14))),
        rest_beats=(0.25, float(rng.choice([1.0, 3.0, 6.0, 12.0], p=[0.3, 0.3, 0.25, 0.15]))),
        leap=float(rng.uniform(0.8, 2.2)),
    )


def _pitch_near(plan: Plan, target_midi: float, time_s: float, chord_only: bool) -> int:
    if chord_only:
        classes = {p % 12 for p in plan.chord(plan.degree_at(time_s))}
    else:
        classes = {(plan.root_midi + s) % 12 for s in plan.scale}
    candidates = [
        p for p in range(round(target_midi) - 6, round(target_midi) + 7) if p % 12 in classes
    ]
    return min(candidates, key=lambda p: abs(p - target_midi))


def phrases(rng: np.random.Generator, plan: Plan, style: LineStyle) -> list[list[Note]]:
    """Draw a melody as phrases with rests between them.

    Returns:
        Phrases in time order; every note starts inside the audio.
    """
    result: list[list[Note]] = []
    beat = np.ceil(-plan.origin_s / plan.beat_s * 2) / 2 + rng.uniform(0, style.rest_beats[1])
    beat = np.round(beat * 4) / 4
    centre = 0.5 * (style.low_midi + style.high_midi)
    pitch = float(rng.normal(centre, 2.0))
    rhythm: list[float] = []
    while plan.origin_s + beat * plan.beat_s < plan.duration_s - 0.15:
        if not rhythm or rng.random() < 0.6:
            rhythm = _rhythm(rng, style)
        phrase, pitch = _phrase(rng, plan, style, float(beat), rhythm, pitch)
        if phrase:
            result.append(phrase)
        beat += sum(rhythm) + rng.uniform(*style.rest_beats)
        beat = np.ceil(beat * 2) / 2
    return result


def _rhythm(rng: np.random.Generator, style: LineStyle) -> list[float]:
    length = rng.uniform(*style.phrase_beats)
    rhythm: list[float] = []
    while sum(rhythm) < length:
        rhythm.append(float(rng.choice(style.durations_beats)))
    rhythm[-1] = max(rhythm[-1], float(rng.choice([1.0, 2.0, 3.0])))
    return rhythm


def _phrase(
    rng: np.random.Generator,
    plan: Plan,
    style: LineStyle,
    beat: float,
    rhythm: list[float],
    pitch: float,
) -> tuple[list[Note], float]:
    centre = 0.5 * (style.low_midi + style.high_midi)
    notes: list[Note] = []
    level = rng.uniform(0.5, 1.0)
    for length_beats in rhythm:
        start_s = plan.origin_s + beat * plan.beat_s
        if start_s >= plan.duration_s - 0.08:
            break
        step = rng.normal(0, style.leap * 1.6) + 0.12 * (centre - pitch)
        target = float(np.clip(pitch + step, style.low_midi, style.high_midi))
        pitch = float(
            _pitch_near(plan, target, start_s, length_beats >= 1.0 and rng.random() < 0.7)
        )
        velocity = float(np.clip(level + rng.normal(0, 0.12), 0.2, 1.0))
        if start_s >= 0:
            notes.append(Note(start_s, length_beats * plan.beat_s, pitch, velocity))
        beat += length_beats
    return notes, pitch


def diatonic_shift(plan: Plan, pitch_midi: float, steps: int) -> float:
    """Semitones from a pitch to the scale note ``steps`` scale steps away."""
    ladder = [plan.scale_pitch(i) for i in range(-35, 42)]
    nearest = int(np.argmin([abs(p - pitch_midi) for p in ladder]))
    shifted = ladder[min(max(nearest + steps, 0), len(ladder) - 1)]
    return float(shifted - ladder[nearest])
