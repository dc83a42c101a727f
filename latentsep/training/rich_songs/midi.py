"""One instrument's notes as a Standard MIDI File."""

import struct
from dataclasses import dataclass

import numpy as np

from latentsep.training.songs.harmony import Note

TICKS_PER_S = 1000
BEND_RANGE_SEMITONES = 12
BEND_STEP_S = 0.01
DRUM_CHANNEL = 9


@dataclass(frozen=True)
class Expression:
    """How a melody instrument moves between and within notes.

    Attributes:
        portamento_s: time constant of the glide into a note; 0 for none.
        vibrato_cents: depth, zero to peak.
        vibrato_hz: rate.
        vibrato_delay_s: time before it sets in.
        swell: whether each note's level rises and falls.
    """

    portamento_s: float
    vibrato_cents: float
    vibrato_hz: float
    vibrato_delay_s: float
    swell: bool


@dataclass(frozen=True)
class Part:
    """Notes for one General MIDI program; for percussion the program is the kit."""

    program: int
    notes: tuple[Note, ...]
    percussion: bool = False
    expression: Expression | None = None


Message = tuple[int, int, bytes]
"""Tick, rank among messages of the same tick, bytes."""


def midi_file(part: Part) -> bytes:
    """The part as a format-0 file of one tick per millisecond."""
    channel = DRUM_CHANNEL if part.percussion else 0
    messages = _setup(part, channel) + [m for n in part.notes for m in _strike(n, channel)]
    if part.expression is not None:
        messages += _shape(part, part.expression, channel)
    track = bytearray()
    last = 0
    for tick, _, content in sorted(messages):
        track += _variable_length(tick - last) + content
        last = tick
    track += b"\x00\xff\x2f\x00"
    # A quarter note is 500 ms in a file that sets no tempo.
    header = struct.pack(">4sIHHH", b"MThd", 6, 0, 1, TICKS_PER_S // 2)
    return header + struct.pack(">4sI", b"MTrk", len(track)) + bytes(track)


def _variable_length(number: int) -> bytes:
    digits = [number & 127]
    while number := number >> 7:
        digits.append(128 | (number & 127))
    return bytes(reversed(digits))


def _tick(time_s: float) -> int:
    return max(0, round(time_s * TICKS_PER_S))


def _setup(part: Part, channel: int) -> list[Message]:
    controls = [(101, 0), (100, 0), (6, BEND_RANGE_SEMITONES), (38, 0)]
    return [
        (0, 0, bytes([0xC0 | channel, part.program])),
        *[(0, 0, bytes([0xB0 | channel, number, value])) for number, value in controls],
    ]


def _strike(note: Note, channel: int) -> list[Message]:
    pitch = int(np.clip(round(note.pitch_midi), 0, 127))
    velocity = int(np.clip(round(127 * note.velocity), 1, 127))
    start = _tick(note.start_s)
    end = max(start + 1, _tick(note.start_s + note.duration_s))
    # Ends come before starts, so that a note repeated at once is struck again.
    return [
        (start, 3, bytes([0x90 | channel, pitch, velocity])),
        (end, 1, bytes([0x80 | channel, pitch, 0])),
    ]


def _shape(part: Part, expression: Expression, channel: int) -> list[Message]:
    messages: list[Message] = []
    previous = None
    for note in part.notes:
        count = max(1, int(note.duration_s / BEND_STEP_S))
        time_s = np.arange(count) * BEND_STEP_S
        bend = _vibrato(expression, time_s)
        if previous is not None and expression.portamento_s > 0:
            interval = np.clip(previous - note.pitch_midi, -7, 7)
            bend += interval * np.exp(-time_s / expression.portamento_s)
        level = np.full(count, 110.0)
        if expression.swell:
            level = 60 + 60 * np.sin(np.pi * np.clip(time_s / note.duration_s, 0, 1) ** 0.7)
        for i in range(count):
            tick = _tick(note.start_s + time_s[i])
            messages.append((tick, 2, _bend_message(float(bend[i]), channel)))
            messages.append((tick, 2, bytes([0xB0 | channel, 11, int(level[i])])))
        previous = note.pitch_midi
    return messages


def _vibrato(expression: Expression, time_s: np.ndarray) -> np.ndarray:
    rise = np.clip((time_s - expression.vibrato_delay_s) / 0.3, 0, 1)
    wave = np.sin(2 * np.pi * expression.vibrato_hz * time_s)
    return np.asarray(expression.vibrato_cents / 100 * rise * wave)


def _bend_message(semitones: float, channel: int) -> bytes:
    value = int(np.clip(8192 + 8192 * semitones / BEND_RANGE_SEMITONES, 0, 16_383))
    return bytes([0xE0 | channel, value & 127, value >> 7])
