"""The vocal stem: leads, duets, doubles, harmonies, choirs and ad libs."""

from dataclasses import replace

import numpy as np

from latentsep.audio.waveform import Waveform, samples_from_seconds
from latentsep.training.rich_songs.instruments import CHOIRS, SAMPLE_RATE_HZ, play
from latentsep.training.rich_songs.layout import Layout
from latentsep.training.rich_songs.midi import Part
from latentsep.training.rich_songs.speech import random_speech
from latentsep.training.rich_songs.takes import (
    Take,
    another_take,
    spoken_take,
    sung_take,
    synthesise,
    whispered,
)
from latentsep.training.rich_songs.throat import Voice, random_voice
from latentsep.training.songs import effects
from latentsep.training.songs.articulation import Manner, random_manner
from latentsep.training.songs.effects import Signal, amplitude
from latentsep.training.songs.harmony import (
    LineStyle,
    Note,
    Plan,
    diatonic_shift,
    phrases,
    vocal_style,
)
from latentsep.training.songs.singer import random_singer
from latentsep.training.songs.vocals import add_space, channel_strip, cheap_double, chopped

FEWEST_SYLLABLES = 6
LONGEST_REST_BEATS = 5.0
"""Between phrases; the layout has longer ones."""

Lines = list[list[Note]]


class Singers:
    """Everyone who sings in one song, with the plan they share."""

    def __init__(self, rng: np.random.Generator, plan: Plan, layout: Layout) -> None:
        self._rng = rng
        self._plan = plan
        self._layout = layout
        self._n_samples = samples_from_seconds(plan.duration_s, SAMPLE_RATE_HZ)
        self._manner = random_manner(rng)
        self._by_speech = self._manner.spoken and rng.random() < 0.4
        self.lead = self._new_voice()
        self.style = self._style_of(self.lead)
        self.lines = layout.sung(phrases(rng, plan, self.style))
        """What the lead sings, as phrases."""

    def perform(self) -> Waveform:
        """The vocal stem, ``[channel=2, sample]`` at ``SAMPLE_RATE_HZ`` and any level."""
        rng = self._rng
        takes = self._takes(self.lead, self._manner, self.lines)
        lead = self._recorded(self.lead, takes, breaths=True)
        if rng.random() < 0.2:
            lead = lead + self._duet()
        stem = effects.pan(lead, float(rng.normal(0, 0.06)))
        if rng.random() < 0.45:
            stem = stem + self._doubles(lead, takes)
        if rng.random() < 0.35 and not self._manner.spoken:
            stem = stem + self._harmonies(takes)
        if rng.random() < 0.2:
            stem = stem + self._choir()
        if rng.random() < 0.15:
            stem = stem + self._ad_libs()
        if rng.random() < 0.04:
            stem = chopped(rng, stem, self._plan, SAMPLE_RATE_HZ)
        spacious = add_space(rng, stem, self._plan, SAMPLE_RATE_HZ)
        width = float(rng.uniform(1, 2.5)) if rng.random() < 0.25 else 1.0
        return effects.widen(spacious, width)

    def _new_voice(self) -> Voice:
        """A throat and words; drawn again where hardly a syllable was found."""
        rng = self._rng
        gap_s = 0.0 if self._manner.spoken else 0.05
        speech = random_speech(rng, int(rng.integers(14, 26)), gap_s)
        while len(speech.syllables) < FEWEST_SYLLABLES:
            speech = random_speech(rng, 25, gap_s)
        return random_voice(rng, random_singer(rng), speech)

    def _style_of(self, voice: Voice) -> LineStyle:
        style = vocal_style(self._rng, voice.singer.low_midi, voice.singer.high_midi)
        style = replace(style, rest_beats=(0.25, min(LONGEST_REST_BEATS, style.rest_beats[1])))
        if self._manner.spoken:
            return replace(style, durations_beats=(0.25, 0.25, 0.25, 0.5, 0.5), leap=0.6)
        return style

    def _takes(self, voice: Voice, manner: Manner, lines: Lines) -> list[Take]:
        rng = self._rng
        takes = []
        for line in lines:
            first = int(rng.integers(len(voice.syllables)))
            by_speech = self._by_speech and manner.spoken
            take = (
                spoken_take(rng, voice, line, first)
                if by_speech
                else sung_take(rng, voice, manner, line, first)
            )
            takes.append(whispered(take) if manner.whisper else take)
        return takes

    def _sound(self, voice: Voice, takes: list[Take]) -> Signal:
        """All takes at about unit loudness, ``[sample]``."""
        track = np.zeros(self._n_samples, np.float32)
        for take in takes:
            _add(track, synthesise(self._rng, voice, take), take.start_s)
        active = np.abs(track) > 0.02 * np.max(np.abs(track), initial=1e-9)
        level = np.sqrt(np.sum(track**2) / max(1, int(active.sum())) + 1e-12)
        return track / np.float32(level)

    def _recorded(self, voice: Voice, takes: list[Take], breaths: bool = False) -> Signal:
        track = self._sound(voice, takes)
        if breaths:
            for take in takes:
                if self._rng.random() < 0.6:
                    breath = _breath(self._rng)
                    _add(track, breath, take.start_s - len(breath) / SAMPLE_RATE_HZ + 0.1)
        return channel_strip(self._rng, track, SAMPLE_RATE_HZ)

    def _duet(self) -> Signal:
        """Somebody else in a manner of their own, over some of the time."""
        voice = self._new_voice()
        lines = self._layout.sung(phrases(self._rng, self._plan, self._style_of(voice)))
        some = [line for line in lines if self._rng.random() < 0.5]
        manner = random_manner(self._rng) if self._rng.random() < 0.3 else self._manner
        gain = np.float32(amplitude(self._rng.uniform(-6, 2)))
        return gain * self._recorded(voice, self._takes(voice, manner, some))

    def _doubles(self, lead: Signal, takes: list[Take]) -> Waveform:
        """The lead again on both sides: sung anew, or only delayed and detuned."""
        rng = self._rng
        spread = float(rng.uniform(0.2, 1.0))
        anew = rng.random() < 0.5
        total = np.zeros((2, self._n_samples), np.float32)
        for side in (-spread, spread):
            if anew:
                again = [another_take(rng, take, 0.0) for take in takes]
                double = self._recorded(self.lead, again)
            else:
                double = cheap_double(rng, lead, SAMPLE_RATE_HZ)
            total += effects.pan(double, side)
        return np.float32(amplitude(rng.uniform(-14, 0))) * total

    def _harmonies(self, takes: list[Take]) -> Waveform:
        """The lead's words at intervals of the scale."""
        rng = self._rng
        total = np.zeros((2, self._n_samples), np.float32)
        share = rng.uniform(0.4, 1.0)
        for _ in range(int(rng.integers(1, 3))):
            steps = int(rng.choice([2, -3, 4, -5, 7, -7], p=[0.4, 0.2, 0.15, 0.1, 0.05, 0.1]))
            chosen = [t for t in takes if rng.random() < share]
            moved = [another_take(rng, t, _intervals(self._plan, t, steps)) for t in chosen]
            gain = np.float32(amplitude(rng.uniform(-14, -3)))
            voice = self._recorded(self.lead, moved)
            total += gain * effects.pan(voice, float(rng.uniform(-0.9, 0.9)))
        return total

    def _choir(self) -> Waveform:
        """Chords sung by many: a recorded choir, or a few voices doubled."""
        rng = self._rng
        parts = [_choir_line(rng, self._plan, part) for part in range(int(rng.integers(2, 5)))]
        level = np.float32(amplitude(rng.uniform(-15, -3)))
        if rng.random() < 0.5:
            notes = tuple(note for line in parts for note in line)
            choir = play(Part(int(rng.choice(CHOIRS)), notes), self._n_samples)
            return choir * (level / np.float32(effects.rms(choir) + 1e-6))
        voice = self._new_voice()
        total = np.zeros((2, self._n_samples), np.float32)
        for line in parts:
            takes = self._takes(voice, Manner(melisma=0.6), [line] if line else [])
            sound = self._sound(voice, takes)
            side = float(rng.uniform(0.1, 1.0))
            total += effects.pan(sound, -side)
            total += effects.pan(cheap_double(rng, sound, SAMPLE_RATE_HZ), side)
        return 0.5 * level * total

    def _ad_libs(self) -> Waveform:
        """Short calls between the phrases and over them."""
        rng = self._rng
        sparse = replace(self.style, phrase_beats=(0.5, 3.0), rest_beats=(2.0, 8.0))
        lines = phrases(rng, self._plan, sparse)
        voice = self._recorded(self.lead, self._takes(self.lead, random_manner(rng), lines))
        gain = np.float32(amplitude(rng.uniform(-12, -2)))
        return gain * effects.pan(voice, float(rng.uniform(-1, 1)))


def _add(track: Signal, sound: Signal, start_s: float) -> None:
    """Lay a sound onto a track; what hangs over is cut."""
    start = round(start_s * SAMPLE_RATE_HZ)
    first, last = max(start, 0), min(start + len(sound), len(track))
    if last > first:
        track[first:last] += sound[first - start : last - start]


def _breath(rng: np.random.Generator) -> Signal:
    """An audible intake of air, to go with a voice at unit loudness."""
    n_samples = int(rng.uniform(0.15, 0.5) * SAMPLE_RATE_HZ)
    air = effects.noise(rng, n_samples)
    air = effects.band(air, rng.uniform(500, 1500), rng.uniform(4000, 9000), SAMPLE_RATE_HZ)
    swell = np.sin(np.linspace(0.1, 2.8, n_samples)) ** 2
    return np.asarray(air * swell * rng.uniform(0.03, 0.25), np.float32)


def _choir_line(rng: np.random.Generator, plan: Plan, part: int) -> list[Note]:
    """One chord tone per chord."""
    centre = float(rng.uniform(50, 74))
    line = []
    for start_s, end_s, degree in plan.chord_spans():
        chord = plan.chord(degree)
        pitch = chord[part % len(chord)]
        pitch += 12 * round((centre - pitch) / 12)
        begin_s = max(start_s, 0.0)
        if end_s - begin_s > 0.1:
            line.append(Note(begin_s, end_s - begin_s, float(pitch), 0.7))
    return line


def _intervals(plan: Plan, take: Take, steps: int) -> np.ndarray:
    """Semitones to the scale's note ``steps`` away from each frame's pitch."""
    midi = np.round(69 + 12 * np.log2(np.maximum(take.f0_hz, 40) / 440)).astype(int)
    table = {int(p): diatonic_shift(plan, float(p), steps) for p in np.unique(midi)}
    return np.array([table[int(p)] for p in midi])
