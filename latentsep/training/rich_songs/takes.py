"""From notes and a voice's syllables to frames of pitch, sound and level, and to audio."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from latentsep.training.rich_songs.instruments import SAMPLE_RATE_HZ
from latentsep.training.rich_songs.melody import Tone, chanted_pitch_hz, sung_pitch_hz
from latentsep.training.rich_songs.speech import FRAME_S, Syllable
from latentsep.training.rich_songs.throat import BIN_HZ, N_BINS, Voice
from latentsep.training.songs.articulation import Manner
from latentsep.training.songs.effects import Signal, smooth_noise
from latentsep.training.songs.harmony import Note

LEAD_S, TAIL_S = 0.3, 0.35
"""Room before the first note for its consonants, and after the last."""

LONGEST_CONSONANTS_S = 0.18

Curve = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Take:
    """One phrase as sung, a value per ``FRAME_S``.

    Attributes:
        start_s: where in the song it begins.
        place: frame of the voice that sounds, ``[frame]``; between two frames it is a mixture.
        f0_hz: ``[frame]``; 0 where there is no voice.
        gain: ``[frame]``.
    """

    start_s: float
    place: Curve
    f0_hz: Curve
    gain: Curve


def sung_take(
    rng: np.random.Generator, voice: Voice, manner: Manner, phrase: list[Note], first: int
) -> Take:
    """Sing a phrase with the voice's syllables in order, from the syllable ``first``."""
    start_s = phrase[0].start_s - LEAD_S
    n_frames = _frames(phrase[-1].start_s + phrase[-1].duration_s + TAIL_S - start_s)
    canvas = _Canvas(n_frames)
    tones: list[Tone] = []
    held = [i > 0 and rng.random() < manner.melisma for i in range(len(phrase))] + [False]
    number = first
    for i, note in enumerate(phrase):
        number += not held[i]
        syllable = voice.syllables[number % len(voice.syllables)]
        begin = _frames(note.start_s - start_s)
        end = begin + max(2, _frames(note.duration_s))
        canvas.paint(rng, syllable, (begin, end), (held[i], held[i + 1]))
        canvas.gain[begin:end] *= _swell(rng, note, end - begin)
        tones.append((begin, end, note.pitch_midi))
    if manner.spoken:
        f0_hz = chanted_pitch_hz(rng, voice.singer, tones, n_frames)
    else:
        f0_hz = sung_pitch_hz(rng, voice.singer, manner, tones, n_frames)
    return Take(start_s, canvas.place, f0_hz * canvas.voiced(voice), _faded(canvas.gain))


def _frames(duration_s: float) -> int:
    return round(duration_s / FRAME_S)


def spoken_take(rng: np.random.Generator, voice: Voice, phrase: list[Note], first: int) -> Take:
    """Say what fits into a phrase, with the timing and the melody of the speech itself."""
    start_s = phrase[0].start_s
    duration_s = phrase[-1].start_s + phrase[-1].duration_s - start_s
    begin = voice.syllables[first % len(voice.syllables)].start
    steps = rng.uniform(0.85, 1.3) * np.arange(_frames(duration_s))
    place = np.asarray((begin + steps) % (len(voice.f0_hz) - 1), np.float64)
    spoken_hz = voice.f0_hz[place.astype(int)]
    is_voiced = spoken_hz > 0
    median_hz = float(np.median(spoken_hz[is_voiced])) if is_voiced.any() else 1.0
    low_midi, high_midi = voice.singer.low_midi, voice.singer.high_midi
    centre_hz = 440.0 * 2.0 ** ((0.7 * low_midi + 0.3 * high_midi - 69) / 12)
    # Above 1, the melody is livelier than it was spoken.
    liveliness = float(rng.uniform(0.7, 1.6))
    f0_hz = centre_hz * (np.maximum(spoken_hz, 1.0) / median_hz) ** liveliness
    return Take(start_s, place, f0_hz * is_voiced, _faded(np.ones(len(place))))


def whispered(take: Take) -> Take:
    """The same without voice."""
    return replace(take, f0_hz=np.zeros_like(take.f0_hz))


def another_take(rng: np.random.Generator, take: Take, semitones: Curve | float) -> Take:
    """The same words sung again at an interval: never quite the same time and pitch."""
    n_frames = len(take.place)
    drift = 0.15 * smooth_noise(rng, n_frames, 80) + 0.06 * smooth_noise(rng, n_frames, 14)
    f0_hz = take.f0_hz * 2.0 ** ((semitones + drift) / 12)
    return replace(take, start_s=take.start_s + rng.normal(0.005, 0.012), f0_hz=f0_hz)


def synthesise(rng: np.random.Generator, voice: Voice, take: Take) -> Signal:
    """Audio of a take, ``[sample]`` at ``SAMPLE_RATE_HZ``.

    Raises:
        ConfigError: pyworld is missing.
    """
    import pyworld

    if len(take.place) < 2:
        return np.zeros(0, np.float32)
    level_db = _read(voice.level_db, take.place) + _effort_db(rng, voice, take)
    level_db = ndimage.uniform_filter1d(level_db, 3, axis=0, mode="nearest")
    envelope = 10.0 ** (level_db / 10) * take.gain[:, None] ** 2 + 1e-16
    aperiodicity = _read(voice.aperiodicity, take.place)
    samples = pyworld.synthesize(take.f0_hz, envelope, aperiodicity, SAMPLE_RATE_HZ, 1000 * FRAME_S)
    return _roughened(rng, np.asarray(samples, np.float32), voice, take)


class _Canvas:
    """Frames of one phrase onto which syllables are painted."""

    def __init__(self, n_frames: int) -> None:
        self.place = np.zeros(n_frames)
        self.gain = np.zeros(n_frames)
        self._vowel = np.zeros(n_frames, bool)

    def paint(
        self,
        rng: np.random.Generator,
        syllable: Syllable,
        span: tuple[int, int],
        held: tuple[bool, bool],
    ) -> None:
        """Vowel from the start of the span, consonants before it and at its end.

        ``held`` says whether the vowel goes on from the note before, and into the next.
        """
        begin, end = span
        longest = round(LONGEST_CONSONANTS_S / FRAME_S)
        n_onset = 0 if held[0] else min(syllable.vowel_start - syllable.start, longest)
        n_coda = 0 if held[1] else min(syllable.end - syllable.vowel_end, longest)
        n_coda = min(n_coda, (end - begin) // 2)
        self._lay(begin - n_onset, syllable.vowel_start - n_onset + np.arange(n_onset))
        self._lay(begin, _stretched(rng, syllable, end - begin - n_coda, held[0]))
        self._vowel[begin : end - n_coda] = True
        self._lay(end - n_coda, syllable.vowel_end + np.arange(n_coda))

    def _lay(self, begin: int, places: npt.NDArray[Any]) -> None:
        where = slice(begin, begin + len(places))
        self.place[where], self.gain[where], self._vowel[where] = places, 1.0, False

    def voiced(self, voice: Voice) -> npt.NDArray[np.bool_]:
        """Vowels are; consonants as they were spoken."""
        spoken: npt.NDArray[np.bool_] = voice.f0_hz[self.place.astype(int)] > 0
        return (self._vowel | spoken) & (self.gain > 0)


def _stretched(
    rng: np.random.Generator, syllable: Syllable, n_frames: int, held: bool
) -> npt.NDArray[np.float64]:
    """Frames of a vowel over a note: its ends at their own speed, its middle wanders."""
    length = syllable.vowel_end - syllable.vowel_start
    attack, release = min(0.4 * length, 0.3 * n_frames), min(0.3 * length, 0.2 * n_frames)
    knots = [0.0, attack, n_frames - release, float(n_frames)]
    shares = [0.4 if held else 0.0, 0.4, 0.7, 1.0]
    shares_over_time = np.interp(np.arange(n_frames), knots, shares)
    steady = (shares_over_time > 0.39) & (shares_over_time < 0.71)
    shares_over_time += 0.15 * steady * smooth_noise(rng, n_frames, 25)
    return syllable.vowel_start + np.clip(shares_over_time, 0, 1) * max(length - 1, 0)


def _swell(rng: np.random.Generator, note: Note, n_frames: int) -> Curve:
    """Level within a note: it rises, leans or fades."""
    levels = rng.uniform([0.7, 0.9, 0.6, 0.3], [1.0, 1.1, 1.0, 0.9])
    loudness = 0.3 + 0.7 * note.velocity
    return loudness * np.interp(np.linspace(0, 1, n_frames), [0.0, 0.2, 0.7, 1.0], levels)


def _faded(gain: Curve) -> Curve:
    return np.asarray(ndimage.uniform_filter1d(gain, 5, mode="constant"))


def _read(bank: npt.NDArray[np.float32], place: Curve) -> npt.NDArray[np.float64]:
    whole = np.minimum(place.astype(int), len(bank) - 2)
    fraction = np.clip(place - whole, 0, 1)[:, None]
    return np.asarray(bank[whole] * (1 - fraction) + bank[whole + 1] * fraction, np.float64)


def _effort_db(rng: np.random.Generator, voice: Voice, take: Take) -> Curve:
    """Soft notes are duller; the rest of the colour wanders. ``[frame, bin]``."""
    octaves = np.log2(np.maximum(np.arange(N_BINS) * BIN_HZ, 100) / 500)
    effort = voice.singer.effort_db * (take.gain - 0.7)
    effort = effort + 0.8 * smooth_noise(rng, len(take.place), 40)
    return np.asarray(effort[:, None] * np.clip(octaves, -1, 4)[None, :])


def _roughened(rng: np.random.Generator, samples: Signal, voice: Voice, take: Take) -> Signal:
    """Some singers' cords beat at half the pitch in places."""
    depth = voice.singer.growl
    if depth == 0:
        return samples
    time_frames = np.arange(len(samples)) / (FRAME_S * SAMPLE_RATE_HZ)
    frames = np.arange(len(take.f0_hz))
    phase = np.cumsum(np.interp(time_frames, frames, take.f0_hz)) / SAMPLE_RATE_HZ
    where = np.clip(smooth_noise(rng, len(frames), 60), 0, 1) * depth
    beating = 1 + np.interp(time_frames, frames, where) * np.cos(np.pi * phase)
    return np.asarray(samples * beating, np.float32)
