"""Who plays what: bass, chords, leads and noise effects that follow a plan."""

from dataclasses import replace

import numpy as np

from latentsep.audio.waveform import Waveform
from latentsep.training.songs import effects
from latentsep.training.songs.effects import Signal, amplitude
from latentsep.training.songs.harmony import LineStyle, Note, Plan, phrases, vocal_style
from latentsep.training.songs.instruments import Patch, Sampler, play_note, random_patch

CHORD_KINDS = (
    "pluck",
    "piano",
    "organ",
    "saw",
    "square",
    "pulse",
    "fm",
    "strings",
    "bell",
    "brass",
)
LEAD_KINDS = (
    "saw",
    "square",
    "pulse",
    "triangle",
    "sine",
    "fm",
    "strings",
    "brass",
    "flute",
    "reed",
    "pluck",
)
BASS_KINDS = ("pluck", "saw", "square", "sine", "triangle", "pulse", "fm")


def _span_notes(start_s: float, end_s: float, step_s: float) -> list[float]:
    count = max(1, round((end_s - start_s) / step_s))
    return [start_s + i * step_s for i in range(count) if start_s + i * step_s >= 0]


def play_bass(rng: np.random.Generator, plan: Plan, n_samples: int, rate_hz: int) -> Waveform:
    """Bass line on roots, fifths and octaves, ``[channel=2, sample]``."""
    kind = str(rng.choice(BASS_KINDS))
    patch = replace(random_patch(rng, kind), detune_cents=0.0, vibrato_cents=0.0)
    patch = replace(patch, cutoff_hz=float(np.exp(rng.uniform(np.log(200), np.log(3500)))))
    sampler = Sampler(rng, patch, rate_hz)
    stem = np.zeros(n_samples, np.float32)
    step_s = plan.beat_s * float(rng.choice([0.5, 1.0, 2.0, 4.0], p=[0.4, 0.25, 0.15, 0.2]))
    length = rng.uniform(0.5, 1.0)
    moves = rng.choice([0, 0, 0, 7, 12, -5], 16)
    skip = rng.random(16) < rng.uniform(0, 0.35)
    for start_s, end_s, degree in plan.chord_spans():
        root = plan.scale_pitch(degree) - 12
        root -= 12 * (root > 45)
        for i, time_s in enumerate(_span_notes(start_s, end_s, step_s)):
            if skip[i % 16] and i:
                continue
            pitch = root + (int(moves[i % 16]) if i % 4 else 0)
            sampler.add(stem, Note(time_s, length * step_s, float(pitch), rng.uniform(0.7, 1.0)))
    if rng.random() < 0.3:
        stem = effects.saturate(stem, rng.uniform(0.5, 4))
    return effects.pan(
        effects.random_equaliser(rng, stem, rate_hz, 4.0), float(rng.normal(0, 0.03))
    )


def _voicing(rng: np.random.Generator, chord: tuple[int, ...], low_midi: int) -> list[int]:
    pitches = [low_midi + (pitch - low_midi) % 12 for pitch in chord]
    if rng.random() < 0.5:
        pitches.append(low_midi + (chord[0] - low_midi) % 12 + 12)
    return sorted(pitches)


def _strum(
    rng: np.random.Generator, pitches: list[int], notes: tuple[float, float], spread_s: float
) -> list[Note]:
    time_s, length_s = notes
    order = pitches if rng.random() < 0.7 else pitches[::-1]
    return [
        Note(max(0.0, time_s + i * spread_s), length_s, float(p), float(rng.uniform(0.6, 1.0)))
        for i, p in enumerate(order)
    ]


def chord_notes(rng: np.random.Generator, plan: Plan) -> list[Note]:
    """Notes of an accompaniment figure: held, pulsed, strummed or arpeggiated."""
    figure = str(rng.choice(["held", "pulse", "strum", "arpeggio"], p=[0.3, 0.2, 0.25, 0.25]))
    low_midi = int(rng.integers(43, 66))
    step_s = plan.beat_s * float(rng.choice([0.25, 0.5, 1.0], p=[0.2, 0.55, 0.25]))
    hits = rng.random(16) < rng.uniform(0.5, 1.0)
    hits[0] = True
    spread_s = float(rng.uniform(0.003, 0.03)) if figure == "strum" else 0.002
    order = rng.permutation(16)
    length = rng.uniform(0.3, 1.0)
    notes: list[Note] = []
    for start_s, end_s, degree in plan.chord_spans():
        pitches = _voicing(rng, plan.chord(degree), low_midi)
        if figure == "held":
            begin_s = max(0.0, start_s)
            notes += _strum(rng, pitches, (begin_s, end_s - begin_s), spread_s)
            continue
        for i, time_s in enumerate(_span_notes(start_s, end_s, step_s)):
            if not hits[i % 16]:
                continue
            played = pitches
            if figure == "arpeggio":
                played = [pitches[int(order[i % 16]) % len(pitches)]]
            notes += _strum(rng, played, (time_s, step_s * length), spread_s)
    return notes


def _distort(rng: np.random.Generator, mono: Signal, rate_hz: int) -> Signal:
    driven = effects.saturate(effects.band(mono, 90, None, rate_hz), rng.uniform(4, 40))
    return effects.band(driven, 80, rng.uniform(3000, 6500), rate_hz, order=3)


def play_chords(rng: np.random.Generator, plan: Plan, n_samples: int, rate_hz: int) -> Waveform:
    """Chord instrument, ``[channel=2, sample]``."""
    kind = str(rng.choice(CHORD_KINDS))
    patch = random_patch(rng, kind)
    guitar = kind == "pluck" and rng.random() < 0.35
    sampler = Sampler(rng, patch, rate_hz)
    mono = np.zeros(n_samples, np.float32)
    for note in chord_notes(rng, plan):
        sampler.add(mono, note)
    if guitar:
        mono = _distort(rng, mono, rate_hz)
    return _to_stereo(rng, mono, rate_hz)


def _to_stereo(rng: np.random.Generator, mono: Signal, rate_hz: int) -> Waveform:
    shaped = effects.random_equaliser(rng, mono, rate_hz, 5.0)
    shaped = effects.band(shaped, rng.uniform(40, 250), None, rate_hz)
    if rng.random() < 0.08:
        shaped = effects.wah(rng, shaped, rate_hz)
    placed = _placed(rng, shaped, rate_hz)
    return effects.tremolo(rng, placed, rate_hz) if rng.random() < 0.15 else placed


def _placed(rng: np.random.Generator, shaped: Signal, rate_hz: int) -> Waveform:
    choice = rng.random()
    if choice < 0.4:
        return effects.chorus(rng, shaped, rate_hz)
    if choice < 0.6:
        delay = np.full(shaped.shape[0], rng.uniform(0.008, 0.03) * rate_hz, np.float32)
        pair = np.stack([shaped, effects.warp(shaped, delay)])
        return pair if rng.random() < 0.5 else pair[::-1].copy()
    return effects.pan(shaped, float(rng.uniform(-0.8, 0.8)))


def play_lead(rng: np.random.Generator, plan: Plan, n_samples: int, rate_hz: int) -> Waveform:
    """A melody instrument that glides and vibrates like a voice but is none."""
    patch = random_patch(rng, str(rng.choice(LEAD_KINDS)))
    low = float(rng.uniform(50, 72))
    style = vocal_style(rng, low, low + float(rng.uniform(8, 18)))
    mono = np.zeros(n_samples, np.float32)
    for phrase in phrases(rng, plan, style):
        _legato(rng, patch, phrase, mono, rate_hz)
    if rng.random() < 0.15:
        mono = _distort(rng, mono, rate_hz)
    return _to_stereo(rng, mono, rate_hz)


def _legato(
    rng: np.random.Generator, patch: Patch, phrase: list[Note], mono: Signal, rate_hz: int
) -> None:
    previous: float | None = None
    for note in phrase:
        glide = 0.0 if previous is None else previous - note.pitch_midi
        tone = play_note(rng, patch, note, rate_hz, glide)
        start = int(note.start_s * rate_hz)
        stop = min(mono.shape[0], start + tone.shape[0])
        if stop > start:
            mono[start:stop] += tone[: stop - start]
        previous = note.pitch_midi


def play_riff(rng: np.random.Generator, plan: Plan, n_samples: int, rate_hz: int) -> Waveform:
    """A short figure repeated through the song."""
    patch = random_patch(rng, str(rng.choice((*LEAD_KINDS, "piano", "bell"))))
    patch = replace(patch, vibrato_cents=0.0)
    low = float(rng.uniform(50, 76))
    style = LineStyle(low, low + 12, (0.25, 0.5, 0.5, 1.0), (2.0, 4.0), (0.0, 1.0), 1.5)
    bars = replace(plan, duration_s=plan.bar_s * 2, origin_s=0.0)
    figure = [n for p in phrases(rng, bars, style) for n in p]
    sampler = Sampler(rng, patch, rate_hz)
    mono = np.zeros(n_samples, np.float32)
    for bar in range(0, plan.n_bars, 2):
        for note in figure:
            start_s = note.start_s + plan.origin_s + bar * plan.bar_s
            if start_s >= 0:
                sampler.add(mono, replace(note, start_s=start_s))
    return _to_stereo(rng, mono, rate_hz)


def play_noises(rng: np.random.Generator, plan: Plan, n_samples: int, rate_hz: int) -> Waveform:
    """Risers, sweeps and steady hiss, ``[channel=2, sample]``."""
    time_s = np.arange(n_samples, dtype=np.float32) / rate_hz
    period_s = plan.bar_s * float(rng.choice([2, 4, 8]))
    ramp = np.mod((time_s - plan.origin_s) / period_s, 1.0)
    ramp = ramp if rng.random() < 0.6 else 1 - ramp
    raw = effects.noise(rng, (2, n_samples))
    low = effects.band(raw, None, rng.uniform(300, 1500), rate_hz)
    high = effects.band(raw, rng.uniform(1500, 5000), None, rate_hz)
    swell = np.asarray(ramp ** rng.uniform(1, 4), np.float32)
    floor = np.float32(amplitude(rng.uniform(-50, -20)))
    return np.asarray((low * (1 - swell) + high * swell) * (swell + floor), np.float32)
