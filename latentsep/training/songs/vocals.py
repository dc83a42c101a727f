"""The vocal stem: lead, doubles, harmonies, choirs and ad libs, and how they are mixed."""

from dataclasses import replace

import numpy as np

from latentsep.audio.waveform import Waveform, samples_from_seconds
from latentsep.training.songs import effects
from latentsep.training.songs.articulation import Articulation, Manner, Score, random_manner
from latentsep.training.songs.effects import Signal
from latentsep.training.songs.harmony import (
    LineStyle,
    Note,
    Plan,
    diatonic_shift,
    phrases,
    random_plan,
    vocal_style,
)
from latentsep.training.songs.singer import Singer, random_singer
from latentsep.training.songs.voice import render, second_voice


class Performer:
    """One singer with a plan; sings lines and keeps sizes and rates in one place."""

    def __init__(
        self, rng: np.random.Generator, plan: Plan, sample_rate_hz: int, n_samples: int
    ) -> None:
        self.rng = rng
        self.plan = plan
        self.sample_rate_hz = sample_rate_hz
        self.n_samples = n_samples
        self.hop_samples = 4 * max(4, round(sample_rate_hz * 64 / 44_100))
        self.n_frames = -(-n_samples // self.hop_samples) + 1

    def articulate(self, singer: Singer, manner: Manner, lines: list[list[Note]]) -> Articulation:
        """Control tracks of one performance."""
        frame_rate_hz = self.sample_rate_hz / self.hop_samples
        score = Score(self.rng, singer, manner, self.n_frames, frame_rate_hz)
        for line in lines:
            score.add_phrase(line)
        return score.finish(self.hop_samples)

    def sing(self, singer: Singer, spoken: Articulation) -> Signal:
        """Audio of one performance at about unit loudness, ``[sample]``."""
        voice = render(self.rng, singer, spoken, self.n_samples, self.sample_rate_hz)
        active = np.abs(voice) > 0.02 * np.max(np.abs(voice), initial=1e-9)
        level = np.sqrt(np.sum(voice**2) / max(1, int(active.sum())) + 1e-12)
        return voice / np.float32(level)


def channel_strip(rng: np.random.Generator, voice: Signal, sample_rate_hz: int) -> Signal:
    """Microphone, preamplifier, compressor and equaliser of one vocal track."""
    result = effects.band(voice, rng.uniform(50, 160), None, sample_rate_hz)
    if rng.random() < 0.6:
        result = effects.compress(
            result, rng.uniform(-8, 4), rng.uniform(2, 8), rng.uniform(0.01, 0.05), sample_rate_hz
        )
    if rng.random() < 0.4:
        result = effects.saturate(result, rng.uniform(0.4, 2.5))
    presence_db, air_db = rng.uniform(-2, 10), rng.uniform(-4, 16)
    body_db = rng.uniform(-5, 3)
    result = effects.equalise(
        result,
        [100.0, 300.0, 1000.0, 3500.0, 9000.0, 16000.0],
        [0.0, body_db, 0.0, presence_db, 0.7 * presence_db + 0.5 * air_db, air_db],
        sample_rate_hz,
    )
    if rng.random() < 0.5:
        result = _exciter(rng, result, sample_rate_hz)
    if rng.random() < 0.06:
        result = effects.band(
            result, rng.uniform(250, 600), rng.uniform(2500, 5000), sample_rate_hz
        )
        result = effects.saturate(result, rng.uniform(1, 6))
    return effects.random_equaliser(rng, result, sample_rate_hz, 2.5)


def _exciter(rng: np.random.Generator, voice: Signal, sample_rate_hz: int) -> Signal:
    """Add overtones made from the band above a few kHz."""
    bright = effects.band(voice, rng.uniform(2000, 4000), None, sample_rate_hz)
    bright = effects.saturate(bright, rng.uniform(2, 8))
    bright = effects.band(bright, rng.uniform(4000, 7000), None, sample_rate_hz)
    return voice + np.float32(rng.uniform(0.1, 0.8)) * bright


def cheap_double(rng: np.random.Generator, voice: Signal, sample_rate_hz: int) -> Signal:
    """A second take made by wandering time: pitch and timing differ slightly."""
    n_samples = voice.shape[0]
    n_frames = n_samples // 1024 + 2
    wander = effects.smooth_noise(rng, n_frames, 0.4 * sample_rate_hz / 1024)
    delay_s = rng.uniform(0.012, 0.04) + rng.uniform(0.002, 0.008) * wander
    places = np.arange(n_samples) / 1024
    delay = np.interp(places, np.arange(n_frames), np.maximum(delay_s, 0) * sample_rate_hz)
    return effects.warp(voice, delay.astype(np.float32))


def _doubles(performer: Performer, lead: Signal) -> Waveform:
    rng, rate_hz = performer.rng, performer.sample_rate_hz
    spread = rng.uniform(0.2, 1.0)
    level = effects.amplitude(rng.uniform(-14, 2))
    left = effects.pan(cheap_double(rng, lead, rate_hz), -spread)
    right = effects.pan(cheap_double(rng, lead, rate_hz), spread)
    return np.float32(level) * (left + right)


def _harmonies(performer: Performer, singer: Singer, spoken: Articulation) -> Waveform:
    rng = performer.rng
    total = np.zeros((2, performer.n_samples), np.float32)
    for _ in range(int(rng.integers(1, 3))):
        steps = int(rng.choice([2, -3, 4, -5, 7, -7], p=[0.4, 0.2, 0.15, 0.1, 0.05, 0.1]))
        total += _interval_voice(performer, singer, spoken, steps)
    return total


def _interval_voice(
    performer: Performer, singer: Singer, spoken: Articulation, steps: int
) -> Waveform:
    rng = performer.rng
    midi = 69 + 12 * np.log2(spoken.f0_hz / 440.0)
    rounded = np.round(midi).astype(int)
    table = {int(p): diatonic_shift(performer.plan, float(p), steps) for p in np.unique(rounded)}
    interval = np.array([table[int(p)] for p in rounded], np.float32)
    other, copy = second_voice(rng, singer, spoken, interval)
    copy = replace(copy, noise_gain=copy.noise_gain * np.float32(0.4))
    voice = channel_strip(rng, performer.sing(other, copy), performer.sample_rate_hz)
    voice = cheap_double(rng, voice, performer.sample_rate_hz)
    gain = np.float32(effects.amplitude(rng.uniform(-14, -4)))
    return gain * effects.pan(voice, float(rng.uniform(-0.9, 0.9)))


def _choir(performer: Performer) -> Waveform:
    """Sustained chords on vowels by a few singers, each doubled."""
    rng, plan = performer.rng, performer.plan
    total = np.zeros((2, performer.n_samples), np.float32)
    spans = [s for s in plan.chord_spans() if s[1] > 0.1]
    for part in range(int(rng.integers(2, 4))):
        singer = replace(random_singer(rng), clarity=0.2, growl=0.0)
        line = []
        for start_s, end_s, degree in spans:
            chord = plan.chord(degree)
            centre = 0.5 * (singer.low_midi + singer.high_midi)
            pitch = chord[part % len(chord)]
            pitch += 12 * round((centre - pitch) / 12)
            start_s = max(start_s, 0.0)
            line.append(Note(start_s, end_s - start_s, float(pitch), 0.6))
        spoken = performer.articulate(singer, Manner(melisma=0.6), [line])
        voice = performer.sing(singer, spoken)
        side = float(rng.uniform(0.1, 1.0))
        total += effects.pan(voice, -side)
        total += effects.pan(cheap_double(rng, voice, performer.sample_rate_hz), side)
    return total * np.float32(effects.amplitude(rng.uniform(-16, -6)))


def _ad_libs(performer: Performer, style: LineStyle) -> Waveform:
    rng = performer.rng
    singer = random_singer(rng)
    sparse = replace(
        style,
        low_midi=singer.low_midi,
        high_midi=singer.high_midi,
        phrase_beats=(0.5, 3.0),
        rest_beats=(2.0, 8.0),
    )
    lines = phrases(rng, performer.plan, sparse)
    voice = performer.sing(singer, performer.articulate(singer, random_manner(rng), lines))
    voice = channel_strip(rng, voice, performer.sample_rate_hz)
    gain = np.float32(effects.amplitude(rng.uniform(-12, -2)))
    return gain * effects.pan(voice, float(rng.uniform(-1, 1)))


def add_space(
    rng: np.random.Generator, stem: Waveform, plan: Plan, sample_rate_hz: int
) -> Waveform:
    """Reverbs and echoes of the whole vocal group."""
    result = stem
    if rng.random() < 0.4:
        beats = float(rng.choice([0.25, 0.5, 0.75, 1.0]))
        slap = rng.random() < 0.4
        delay_s = rng.uniform(0.06, 0.14) if slap else beats * plan.beat_s
        result = effects.echo(
            rng, result, delay_s, effects.amplitude(rng.uniform(-22, -8)), sample_rate_hz
        )
    if rng.random() < 0.9:
        decay_s = float(np.exp(rng.uniform(np.log(0.2), np.log(3.5))))
        wet = effects.amplitude(rng.uniform(-28, -3))
        result = effects.reverberate(rng, result, decay_s, wet, sample_rate_hz)
    return result


def perform_vocals(
    rng: np.random.Generator, plan: Plan, duration_s: float, sample_rate_hz: int
) -> Waveform:
    """Vocals that fit a plan, ``[channel=2, sample]``, at about unit loudness."""
    performer = Performer(
        rng, plan, sample_rate_hz, samples_from_seconds(duration_s, sample_rate_hz)
    )
    singer, manner = random_singer(rng), random_manner(rng)
    style = vocal_style(rng, singer.low_midi, singer.high_midi)
    if manner.spoken:
        style = replace(style, durations_beats=(0.25, 0.25, 0.25, 0.5, 0.5), leap=0.6)
    spoken = performer.articulate(singer, manner, phrases(rng, plan, style))
    lead = channel_strip(rng, performer.sing(singer, spoken), sample_rate_hz)
    stem = effects.pan(lead, float(rng.normal(0, 0.06)))
    if rng.random() < 0.45:
        stem = stem + _doubles(performer, lead)
    if rng.random() < 0.3 and not manner.spoken:
        stem = stem + _harmonies(performer, singer, spoken)
    if rng.random() < 0.12:
        stem = stem + _choir(performer)
    if rng.random() < 0.15:
        stem = stem + _ad_libs(performer, style)
    if rng.random() < 0.05:
        stem = chopped(rng, stem, plan, sample_rate_hz)
    spacious = add_space(rng, stem, plan, sample_rate_hz)
    return effects.widen(spacious, float(rng.uniform(1, 3))) if rng.random() < 0.25 else spacious


def chopped(rng: np.random.Generator, stem: Waveform, plan: Plan, sample_rate_hz: int) -> Waveform:
    """Gate the vocals in a fixed rhythm, as an edited or sampled voice."""
    step_s = plan.beat_s / 4
    pattern = np.where(rng.random(16) < 0.65, 1.0, 0.0)
    time_s = np.arange(0, stem.shape[1] + 128, 128) / sample_rate_hz
    gains = pattern[((time_s - plan.origin_s) / step_s).astype(int) % 16]
    gain = np.interp(np.arange(stem.shape[1]), time_s * sample_rate_hz, gains)
    return np.asarray(stem * gain, np.float32)


def generate_vocals(
    rng: np.random.Generator, duration_s: float, sample_rate_hz: int = 44_100
) -> Waveform:
    """Vocals of a song of their own, ``[channel=2, sample]`` float32 with peak 0.5."""
    stem = perform_vocals(rng, random_plan(rng, duration_s), duration_s, sample_rate_hz)
    return stem * np.float32(0.5 / max(float(np.max(np.abs(stem), initial=0.0)), 1e-6))
