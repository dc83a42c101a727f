"""Whole songs: a plan, a singer, a band, and the levels between them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from latentsep.audio.waveform import Waveform, samples_from_seconds
from latentsep.training.songs import effects
from latentsep.training.songs.drums import play_drums
from latentsep.training.songs.effects import amplitude
from latentsep.training.songs.harmony import Plan, random_plan
from latentsep.training.songs.players import (
    play_bass,
    play_chords,
    play_lead,
    play_noises,
    play_riff,
)
from latentsep.training.songs.vocals import perform_vocals

Player = Callable[[np.random.Generator, Plan, int, int], Waveform]


@dataclass(frozen=True)
class Song:
    """A generated track and its true stems, each ``[channel=2, sample]`` float32."""

    vocals: Waveform
    accompaniment: Waveform

    @property
    def mixture(self) -> Waveform:
        """Exact sum of the stems in float32."""
        return self.vocals + self.accompaniment


def normalised(stem: Waveform) -> Waveform:
    """Scale to unit RMS over the parts that sound."""
    power = np.mean(stem**2, axis=0)
    blocks = power[: power.shape[0] // 2048 * 2048].reshape(-1, 2048).mean(axis=1)
    if blocks.size == 0:
        blocks = power
    active = blocks[blocks > 0.01 * np.max(blocks, initial=0.0)]
    level = float(np.sqrt(active.mean())) if active.size else 0.0
    return stem / np.float32(level) if level > 1e-9 else stem


def _band_members(rng: np.random.Generator) -> list[tuple[Player, float]]:
    """Players and their levels in dB."""
    if rng.random() < 0.25:
        return _small_band(rng)
    members: list[tuple[Player, float]] = []
    if rng.random() < 0.85:
        members.append((play_drums, rng.normal(1, 4)))
    if rng.random() < 0.88:
        members.append((play_bass, rng.normal(-1, 4)))
    chords = int(rng.choice([0, 1, 2, 3], p=[0.1, 0.45, 0.33, 0.12]))
    members += [(play_chords, rng.normal(-5, 4)) for _ in range(chords)]
    if rng.random() < 0.5:
        members.append((play_lead, rng.normal(-4, 4)))
    if rng.random() < 0.35:
        members.append((play_riff, rng.normal(-5, 4)))
    if rng.random() < 0.2:
        members.append((play_noises, rng.normal(-16, 5)))
    return members or [(play_chords, 0.0)]


def _small_band(rng: np.random.Generator) -> list[tuple[Player, float]]:
    """One to three players with much air between the notes, or one that accompanies alone."""
    players = (play_drums, play_bass, play_chords, play_lead, play_riff)
    shares = [0.4, 0.2, 0.25, 0.05, 0.1]
    count = int(rng.choice([1, 2, 3], p=[0.25, 0.4, 0.35]))
    chosen = rng.choice(len(players), count, replace=False, p=shares)
    return [(players[int(i)], float(rng.normal(0, 5))) for i in chosen]


def arranged(rng: np.random.Generator, part: Waveform, plan: Plan, sample_rate_hz: int) -> Waveform:
    """Let a part rest for some sections of one to eight bars."""
    if rng.random() < 0.4:
        return part
    n_samples = part.shape[1]
    section_s = plan.bar_s * float(rng.choice([1, 2, 4, 8]))
    n_sections = int(n_samples / sample_rate_hz / section_s) + 4
    levels = np.where(rng.random(n_sections) < rng.uniform(0.5, 1.0), 1.0, 0.0)
    levels[levels == 1.0] *= rng.uniform(0.5, 1.0, int(levels.sum()))
    if not levels[: max(1, n_sections - 3)].any():
        levels[:] = 1.0
    time_s = np.arange(0, n_samples + 512, 512) / sample_rate_hz
    index = ((time_s - plan.origin_s % section_s) / section_s + 1).astype(int)
    gain = np.interp(np.arange(n_samples), time_s * sample_rate_hz, levels[index])
    return np.asarray(part * gain.astype(np.float32), np.float32)


def _pumped(rng: np.random.Generator, stem: Waveform, plan: Plan, sample_rate_hz: int) -> Waveform:
    """Duck on every beat, as if keyed by the kick."""
    time_s = np.arange(stem.shape[1], dtype=np.float32) / sample_rate_hz
    since_s = np.mod(time_s - plan.origin_s, plan.beat_s)
    depth = rng.uniform(0.3, 0.9)
    gain = 1 - depth * np.exp(-((since_s / (rng.uniform(0.2, 0.5) * plan.beat_s)) ** 2))
    return np.asarray(stem * gain, np.float32)


def in_room(rng: np.random.Generator, stem: Waveform, plan: Plan, sample_rate_hz: int) -> Waveform:
    """What the pitched instruments share: a room, echoes, pumping, and the width of the image."""
    result = stem
    if rng.random() < 0.85:
        decay_s = float(np.exp(rng.uniform(np.log(0.25), np.log(3.0))))
        wet = amplitude(rng.uniform(-30, -7))
        result = effects.reverberate(rng, result, decay_s, wet, sample_rate_hz)
    if rng.random() < 0.2:
        wet = amplitude(rng.uniform(-20, -8))
        result = effects.echo(rng, result, 0.75 * plan.beat_s, wet, sample_rate_hz)
    if rng.random() < 0.15:
        result = _pumped(rng, result, plan, sample_rate_hz)
    return effects.widen(result, float(rng.uniform(0.6, 1.5)))


def perform_accompaniment(
    rng: np.random.Generator, plan: Plan, duration_s: float, sample_rate_hz: int
) -> Waveform:
    """A band that follows a plan, ``[channel=2, sample]``, at unit loudness."""
    n_samples = samples_from_seconds(duration_s, sample_rate_hz)
    dry = np.zeros((2, n_samples), np.float32)
    pitched = np.zeros((2, n_samples), np.float32)
    for player, level_db in _band_members(rng):
        part = normalised(player(rng, plan, n_samples, sample_rate_hz))
        part = arranged(rng, part, plan, sample_rate_hz) * np.float32(amplitude(level_db))
        if player in (play_drums, play_bass):
            dry += part
        else:
            pitched += part
    total = dry + in_room(rng, pitched, plan, sample_rate_hz)
    if rng.random() < 0.45:
        total = effects.compress(
            total, rng.uniform(-2, 5), rng.uniform(1.5, 5), rng.uniform(0.01, 0.05), sample_rate_hz
        )
    if rng.random() < 0.3:
        total = effects.saturate(total, rng.uniform(0.5, 2))
    return normalised(effects.random_equaliser(rng, total, sample_rate_hz, 2.5))


def generate_accompaniment(
    rng: np.random.Generator, duration_s: float, sample_rate_hz: int = 44_100
) -> Waveform:
    """Accompaniment of a song of its own, ``[channel=2, sample]`` float32 with peak 0.5."""
    stem = perform_accompaniment(rng, random_plan(rng, duration_s), duration_s, sample_rate_hz)
    return stem * np.float32(0.5 / max(float(np.max(np.abs(stem), initial=0.0)), 1e-6))


def generate_song(
    rng: np.random.Generator, duration_s: float, sample_rate_hz: int = 44_100
) -> Song:
    """Draw a song.

    The two stems share tempo, key and chords. A bus compressor, when drawn, is keyed by the
    mixture and applied to both stems alike, so they still sum to what was mixed.

    Args:
        rng: source of all randomness; the same state gives the same bytes.
        duration_s: length of the song.
        sample_rate_hz: sample rate of the stems.
    """
    plan = random_plan(rng, duration_s)
    vocals = normalised(perform_vocals(rng, plan, duration_s, sample_rate_hz))
    accompaniment = perform_accompaniment(rng, plan, duration_s, sample_rate_hz)
    vocals = vocals * np.float32(amplitude(rng.uniform(-8.0, 5.0)))
    return mixed_down(rng, vocals, accompaniment, sample_rate_hz)


def mixed_down(
    rng: np.random.Generator, vocals: Waveform, accompaniment: Waveform, sample_rate_hz: int
) -> Song:
    """Finish two stems ``[channel=2, sample]`` as one release: dynamics, medium and peak level.

    What is done to one stem is done to the other, so they still sum to the mixture.
    """
    mixture = vocals + accompaniment
    gain = np.ones(mixture.shape[1], np.float32)
    if rng.random() < 0.5:
        gain = effects.compressor_gain(
            mixture, rng.uniform(0, 5), rng.uniform(1.5, 4), rng.uniform(0.01, 0.04), sample_rate_hz
        )
    width, corner_hz = _medium(rng)
    stems = [_released(s * gain, width, corner_hz, sample_rate_hz) for s in (vocals, accompaniment)]
    peak = float(np.max(np.abs(stems[0] + stems[1]), initial=0.0))
    scale = np.float32(rng.uniform(0.35, 0.98) / max(peak, 1e-6))
    return Song(stems[0] * scale, stems[1] * scale)


def _medium(rng: np.random.Generator) -> tuple[float, float | None]:
    """Stereo width and upper band limit of the release: mono, lossy or untouched."""
    width = 0.0 if rng.random() < 0.05 else 1.0
    kind = rng.random()
    if kind < 0.03:
        return width, float(rng.uniform(4500, 10_000))
    return width, float(rng.uniform(13_500, 19_000)) if kind < 0.2 else None


def _released(
    stem: Waveform, width: float, corner_hz: float | None, sample_rate_hz: int
) -> Waveform:
    """Linear treatment that both stems share, so that they still sum to the mixture."""
    result = stem if width == 1.0 else effects.widen(stem, width)
    if corner_hz is not None:
        nodes_hz = [0.97 * corner_hz, 1.03 * corner_hz]
        result = effects.equalise(result, nodes_hz, [0.0, -80.0], sample_rate_hz)
    return result
