"""What the pitched instruments play: basses, figures of chords, melodies."""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from latentsep.training.rich_songs.instruments import BASSES, CHORDS, LEADS, SUSTAINED
from latentsep.training.rich_songs.layout import Layout
from latentsep.training.rich_songs.midi import Expression, Part
from latentsep.training.songs.harmony import (
    LineStyle,
    Note,
    Plan,
    diatonic_shift,
    phrases,
    vocal_style,
)
from latentsep.training.songs.players import chord_notes

BASS_FIGURES: tuple[tuple[int, ...], ...] = (
    (0,),
    (0, 0, 0, 0),
    (0, 12),
    (0, 7),
    (0, 7, 12, 7),
    (0, 0, 7, 0),
    (0, 4, 7, 9),
    (0, 12, 0, 12),
    (0, 0, 12, 10),
)
"""Semitones above the chord's root, one per step; taken to the scale's nearest note."""


def bass_part(rng: np.random.Generator, plan: Plan) -> Part:
    """Roots in figures, or a line that walks through the scale."""
    step_s = plan.beat_s * float(rng.choice([0.5, 1.0, 2.0], p=[0.45, 0.4, 0.15]))
    figure = BASS_FIGURES[int(rng.integers(len(BASS_FIGURES)))]
    walking, length, gaps = rng.random() < 0.2, rng.uniform(0.5, 1.0), rng.uniform(0, 0.3)
    skipped = rng.random(16) < gaps
    notes: list[Note] = []
    for start_s, end_s, degree in plan.chord_spans():
        root = 28 + (plan.scale_pitch(degree) - 28) % 12
        for i in range(max(1, round((end_s - start_s) / step_s))):
            time_s = start_s + i * step_s
            if not 0 <= time_s < plan.duration_s or (i and skipped[i % 16]):
                continue
            above = figure[i % len(figure)]
            if walking and i:
                above = int(rng.integers(-5, 13))
            pitch = _in_scale(plan, root + above)
            notes.append(Note(time_s, length * step_s, pitch, float(rng.uniform(0.65, 1.0))))
    return Part(int(rng.choice(BASSES)), tuple(notes))


def chord_part(rng: np.random.Generator, plan: Plan) -> Part:
    """Chords held, pulsed, strummed or broken."""
    notes = [n for n in chord_notes(rng, plan) if n.start_s < plan.duration_s]
    dynamic = rng.uniform(0.6, 1.0)
    softer = tuple(replace(n, velocity=n.velocity * dynamic) for n in notes)
    return Part(int(rng.choice(CHORDS)), softer)


def lead_part(rng: np.random.Generator, plan: Plan, layout: Layout) -> Part:
    """A single-voiced melody: beside the vocals, or only where they rest."""
    program = int(rng.choice(LEADS))
    low_midi = float(rng.uniform(48, 74))
    style = vocal_style(rng, low_midi, low_midi + float(rng.uniform(8, 19)))
    melody = phrases(rng, plan, style)
    if layout.rests and rng.random() < 0.6:
        melody = layout.played(melody)
    return _melodic(rng, program, [n for phrase in melody for n in phrase])


def unison_part(rng: np.random.Generator, plan: Plan, sung: list[list[Note]]) -> Part:
    """An instrument that plays along with the singer, in unison, octaves or thirds."""
    program = int(rng.choice(LEADS))
    steps = int(rng.choice([0, 7, -7, 2], p=[0.5, 0.25, 0.1, 0.15]))
    followed = [phrase for phrase in sung if rng.random() < 0.7]
    notes = [
        replace(n, pitch_midi=n.pitch_midi + diatonic_shift(plan, n.pitch_midi, steps))
        for phrase in followed
        for n in phrase
    ]
    return _melodic(rng, program, notes)


def riff_part(rng: np.random.Generator, plan: Plan) -> Part:
    """One figure of one or two bars, again and again."""
    program = int(rng.choice(LEADS if rng.random() < 0.5 else CHORDS))
    low_midi = float(rng.uniform(45, 76))
    style = LineStyle(low_midi, low_midi + 12, (0.25, 0.5, 0.5, 1.0), (2.0, 4.0), (0.0, 1.0), 1.6)
    n_bars = int(rng.choice([1, 2]))
    figure_plan = replace(plan, duration_s=n_bars * plan.bar_s, origin_s=0.0)
    figure = [n for phrase in phrases(rng, figure_plan, style) for n in phrase]
    notes = [
        replace(n, start_s=n.start_s + plan.origin_s + bar * plan.bar_s)
        for bar in range(0, plan.n_bars, n_bars)
        for n in figure
    ]
    inside = tuple(n for n in notes if 0 <= n.start_s < plan.duration_s)
    return Part(program, inside)


def _in_scale(plan: Plan, pitch_midi: float) -> float:
    offsets = [(plan.root_midi + step - pitch_midi + 6) % 12 - 6 for step in plan.scale]
    return pitch_midi + min(offsets, key=abs)


def _melodic(rng: np.random.Generator, program: int, notes: list[Note]) -> Part:
    """One note at a time, with an expression of its own."""
    single = [
        replace(note, duration_s=min(note.duration_s, following.start_s - note.start_s))
        for note, following in pairwise(notes)
    ]
    expression = _random_expression(rng, program)
    return Part(program, tuple(single + notes[-1:]), expression=expression)


def _random_expression(rng: np.random.Generator, program: int) -> Expression | None:
    if rng.random() < 0.25:
        return None
    held = program in SUSTAINED
    return Expression(
        portamento_s=float(rng.choice([0.0, rng.uniform(0.01, 0.08)])),
        vibrato_cents=float(rng.uniform(5, 90) if held else rng.uniform(0, 25)),
        vibrato_hz=float(rng.uniform(4.2, 7.2)),
        vibrato_delay_s=float(rng.uniform(0.05, 0.5)),
        swell=bool(held and rng.random() < 0.5),
    )
