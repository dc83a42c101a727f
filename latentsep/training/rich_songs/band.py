"""The accompaniment: who plays, how each instrument is treated, and the sum."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from latentsep.audio.waveform import Waveform, samples_from_seconds
from latentsep.training.rich_songs import grooves, lines
from latentsep.training.rich_songs.instruments import GUITARS, SAMPLE_RATE_HZ, play
from latentsep.training.rich_songs.layout import Layout
from latentsep.training.rich_songs.midi import Part
from latentsep.training.songs import effects
from latentsep.training.songs.drums import play_drums
from latentsep.training.songs.effects import amplitude
from latentsep.training.songs.harmony import Note, Plan
from latentsep.training.songs.players import play_chords, play_lead, play_noises, play_riff
from latentsep.training.songs.song import arranged, in_room, normalised

Track = tuple[Waveform, float]
"""A sound ``[channel=2, sample]`` and its level in dB."""


@dataclass(frozen=True)
class Setting:
    """What the players go by: the plan, where the singers rest, and what they sing."""

    plan: Plan
    layout: Layout
    sung: list[list[Note]]


def perform_band(rng: np.random.Generator, setting: Setting) -> Waveform:
    """The accompaniment, ``[channel=2, sample]`` at ``SAMPLE_RATE_HZ`` and unit loudness."""
    n_samples = samples_from_seconds(setting.plan.duration_s, SAMPLE_RATE_HZ)
    rhythm = _rhythm_section(rng, setting, n_samples)
    others = _others(rng, setting, n_samples)
    if not rhythm and not others:
        others = [_chords(rng, setting, n_samples)]
    dry = _summed(rng, rhythm, setting.plan, n_samples)
    pitched = _summed(rng, others, setting.plan, n_samples)
    total = dry + in_room(rng, pitched, setting.plan, SAMPLE_RATE_HZ)
    if rng.random() < 0.45:
        threshold_db, ratio = rng.uniform(-2, 5), rng.uniform(1.5, 5)
        total = effects.compress(
            total, threshold_db, ratio, rng.uniform(0.01, 0.05), SAMPLE_RATE_HZ
        )
    if rng.random() < 0.3:
        total = effects.saturate(total, rng.uniform(0.5, 2))
    return normalised(effects.random_equaliser(rng, total, SAMPLE_RATE_HZ, 2.5))


def _summed(rng: np.random.Generator, tracks: list[Track], plan: Plan, n_samples: int) -> Waveform:
    total = np.zeros((2, n_samples), np.float32)
    for sound, level_db in tracks:
        track = arranged(rng, normalised(sound), plan, SAMPLE_RATE_HZ)
        total += track * np.float32(amplitude(level_db))
    return total


def _rhythm_section(rng: np.random.Generator, setting: Setting, n_samples: int) -> list[Track]:
    plan = setting.plan
    tracks: list[Track] = []
    kind = rng.random()
    if kind < 0.6:
        kit = play(grooves.drum_part(rng, plan), n_samples)
        tracks.append((_drum_room(rng, kit), rng.normal(1, 4)))
    elif kind < 0.8:
        tracks.append((play_drums(rng, plan, n_samples, SAMPLE_RATE_HZ), rng.normal(1, 4)))
    if rng.random() < 0.2:
        hands = play(grooves.percussion_part(rng, plan), n_samples)
        tracks.append((_drum_room(rng, hands), rng.normal(-4, 4)))
    if rng.random() < 0.85:
        bass = play(lines.bass_part(rng, plan), n_samples)
        mono = effects.random_equaliser(rng, bass.mean(axis=0), SAMPLE_RATE_HZ, 4.0)
        if rng.random() < 0.3:
            mono = effects.saturate(mono, rng.uniform(0.5, 4))
        tracks.append((effects.pan(mono, float(rng.normal(0, 0.03))), rng.normal(-1, 4)))
    return tracks


def _drum_room(rng: np.random.Generator, kit: Waveform) -> Waveform:
    result = effects.random_equaliser(rng, kit, SAMPLE_RATE_HZ, 4.0)
    if rng.random() < 0.8:
        wet = amplitude(rng.uniform(-24, -6))
        result = effects.reverberate(rng, result, rng.uniform(0.15, 1.2), wet, SAMPLE_RATE_HZ)
    if rng.random() < 0.5:
        result = effects.compress(
            result, rng.uniform(-4, 6), rng.uniform(2, 8), 0.01, SAMPLE_RATE_HZ
        )
    return result


def _others(rng: np.random.Generator, setting: Setting, n_samples: int) -> list[Track]:
    """Chords, melodies and effects, each drawn on its own."""
    tracks = [
        _chords(rng, setting, n_samples)
        for _ in range(int(rng.choice([0, 1, 2, 3], p=[0.1, 0.45, 0.33, 0.12])))
    ]
    extras: list[tuple[float, Callable[[np.random.Generator, Setting, int], Track]]] = [
        (0.6, _lead),
        (0.2, _lead),
        (0.15, _unison),
        (0.35, _riff),
        (0.12, _noises),
    ]
    tracks += [player(rng, setting, n_samples) for share, player in extras if rng.random() < share]
    return tracks


def _chords(rng: np.random.Generator, setting: Setting, n_samples: int) -> Track:
    if rng.random() < 0.15:
        sound = play_chords(rng, setting.plan, n_samples, SAMPLE_RATE_HZ)
    else:
        sound = _instrument(rng, lines.chord_part(rng, setting.plan), n_samples)
    return sound, rng.normal(-5, 4)


def _lead(rng: np.random.Generator, setting: Setting, n_samples: int) -> Track:
    if rng.random() < 0.2:
        sound = play_lead(rng, setting.plan, n_samples, SAMPLE_RATE_HZ)
    else:
        part = lines.lead_part(rng, setting.plan, setting.layout)
        sound = _instrument(rng, part, n_samples)
    return sound, rng.normal(-3, 4)


def _unison(rng: np.random.Generator, setting: Setting, n_samples: int) -> Track:
    part = lines.unison_part(rng, setting.plan, setting.sung)
    return _instrument(rng, part, n_samples), rng.normal(-8, 4)


def _riff(rng: np.random.Generator, setting: Setting, n_samples: int) -> Track:
    if rng.random() < 0.15:
        sound = play_riff(rng, setting.plan, n_samples, SAMPLE_RATE_HZ)
    else:
        sound = _instrument(rng, lines.riff_part(rng, setting.plan), n_samples)
    return sound, rng.normal(-5, 4)


def _noises(rng: np.random.Generator, setting: Setting, n_samples: int) -> Track:
    return play_noises(rng, setting.plan, n_samples, SAMPLE_RATE_HZ), rng.normal(-16, 5)


def _instrument(rng: np.random.Generator, part: Part, n_samples: int) -> Waveform:
    """A part played, with pedals and an amplifier of its own, placed in the image."""
    stereo = play(part, n_samples)
    mono = effects.random_equaliser(rng, stereo.mean(axis=0), SAMPLE_RATE_HZ, 5.0)
    if part.program in GUITARS and rng.random() < 0.35:
        mono = effects.band(mono, 90, None, SAMPLE_RATE_HZ)
        mono = effects.saturate(mono, rng.uniform(3, 30))
        mono = effects.band(mono, None, rng.uniform(3000, 7000), SAMPLE_RATE_HZ, order=3)
    if rng.random() < 0.08:
        mono = effects.wah(rng, mono, SAMPLE_RATE_HZ)
    mono = effects.band(mono, rng.uniform(40, 250), None, SAMPLE_RATE_HZ)
    placed = _placed(rng, mono)
    if rng.random() < 0.12:
        placed = effects.tremolo(rng, placed, SAMPLE_RATE_HZ)
    if rng.random() < 0.15:
        delay_s, wet = rng.uniform(0.1, 0.6), amplitude(rng.uniform(-18, -6))
        placed = effects.echo(rng, placed, delay_s, wet, SAMPLE_RATE_HZ)
    return placed


def _placed(rng: np.random.Generator, mono: effects.Signal) -> Waveform:
    choice = rng.random()
    if choice < 0.25:
        return effects.chorus(rng, mono, SAMPLE_RATE_HZ)
    if choice < 0.4:
        delay = np.full(len(mono), rng.uniform(0.008, 0.03) * SAMPLE_RATE_HZ, np.float32)
        return np.stack([mono, effects.warp(mono, delay)])
    return effects.pan(mono, float(rng.uniform(-0.85, 0.85)))
