"""From notes and syllables to control tracks of the voice."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from latentsep.training.songs.effects import Signal, smooth_noise
from latentsep.training.songs.harmony import Note
from latentsep.training.songs.oscillators import hertz
from latentsep.training.songs.phonemes import (
    NOISE_CLASSES,
    Phoneme,
    Span,
    syllable,
)
from latentsep.training.songs.singer import Singer


@dataclass(frozen=True)
class Articulation:
    """What a voice does, per frame of ``hop_samples``. All ``[frame]`` but two.

    ``formants_hz`` is ``[frame, formant=4]``; ``noise`` is ``[frame, noise_class]``, a share of
    each class; ``noise_gain`` is its level.
    """

    hop_samples: int
    f0_hz: Signal
    formants_hz: npt.NDArray[np.float32]
    voicing: Signal
    aspiration: Signal
    noise: npt.NDArray[np.float32]
    noise_gain: Signal
    nasal: Signal
    tilt_db: Signal
    growl: Signal


@dataclass(frozen=True)
class Manner:
    """How a passage is delivered.

    Attributes:
        spoken: speech melody instead of notes.
        whisper: share of the voice that is replaced by breath, 0..1.
        quantised: pitch correction with hard steps.
        melisma: chance that a note continues the vowel of the note before.
    """

    spoken: bool = False
    whisper: float = 0.0
    quantised: bool = False
    melisma: float = 0.15


def random_manner(rng: np.random.Generator) -> Manner:
    """Draw a manner; most are plain singing."""
    kind = rng.random()
    melisma = float(rng.choice([0.05, 0.2, 0.4], p=[0.6, 0.3, 0.1]))
    if kind < 0.16:
        return Manner(spoken=True, melisma=0.0)
    if kind < 0.18:
        return Manner(whisper=float(rng.uniform(0.6, 1.0)), spoken=True, melisma=0.0)
    if kind < 0.26:
        return Manner(quantised=True, melisma=melisma)
    return Manner(melisma=melisma)


def _hann(curve: npt.NDArray[np.float32], width: float) -> npt.NDArray[np.float32]:
    size = max(1, round(width)) | 1
    kernel = np.hanning(size + 2)[1:-1]
    kernel = (kernel / kernel.sum()).astype(np.float32)
    return np.asarray(ndimage.convolve1d(curve, kernel, axis=0, mode="nearest"), np.float32)


class Score:
    """Paints notes and syllables onto frame tracks, then smooths them into gestures."""

    def __init__(
        self,
        rng: np.random.Generator,
        singer: Singer,
        manner: Manner,
        n_frames: int,
        rate_hz: float,
    ) -> None:
        self._rng = rng
        self._singer = singer
        self._manner = manner
        self._rate_hz = rate_hz
        self._n_frames = n_frames
        self._pitch = np.full(n_frames, np.nan, np.float32)
        self._vibrato = np.zeros(n_frames, np.float32)
        self._formants = np.tile(np.array([500, 1500, 2500, 3400], np.float32), (n_frames, 1))
        self._voicing = np.zeros(n_frames, np.float32)
        self._noise = np.zeros((n_frames, len(NOISE_CLASSES)), np.float32)
        self._nasal = np.zeros(n_frames, np.float32)
        self._tilt = np.zeros(n_frames, np.float32)
        self._growl = np.zeros(n_frames, np.float32)
        self._breathing = np.zeros(n_frames, np.float32)

    def _slice(self, start_s: float, end_s: float) -> slice:
        first = int(np.clip(round(start_s * self._rate_hz), 0, self._n_frames))
        last = int(np.clip(round(end_s * self._rate_hz), 0, self._n_frames))
        return slice(first, max(last, min(first + 1, self._n_frames)))

    def add_phrase(self, phrase: list[Note]) -> None:
        """Write one phrase, with a breath before it."""
        rng, singer = self._rng, self._singer
        if not phrase:
            return
        if rng.random() < 0.6:
            length_s = rng.uniform(0.15, 0.5)
            end_s = phrase[0].start_s - rng.uniform(0.05, 0.2)
            self._breathe(end_s - length_s, end_s)
        for i, note in enumerate(phrase):
            continues = i > 0 and rng.random() < self._manner.melisma
            if not continues:
                spans = syllable(rng, note.start_s, note.duration_s, singer.clarity)
            else:
                previous = self._formants[self._slice(note.start_s - 0.02, note.start_s)][:1]
                formants = tuple(float(f) for f in previous[0]) if len(previous) else None
                spans = self._hold(note, formants)
            self._paint(spans, note)
            self._sing(note, last=i == len(phrase) - 1)

    def _hold(self, note: Note, formants: tuple[float, ...] | None) -> list[Span]:
        f = formants or (500.0, 1500.0, 2500.0, 3400.0)
        end_s = note.start_s + note.duration_s
        return [Span(note.start_s - 0.02, end_s, Phoneme((f[0], f[1], f[2], f[3])))]

    def _breathe(self, start_s: float, end_s: float) -> None:
        if start_s > 0:
            place = self._slice(start_s, end_s)
            swell = np.sin(np.linspace(0.1, 2.6, place.stop - place.start)) ** 2
            self._breathing[place] = swell * self._rng.uniform(0.02, 0.15)

    def _paint(self, spans: list[Span], note: Note) -> None:
        loudness = 0.25 + 0.75 * note.velocity
        for span in spans:
            place = self._slice(span.start_s, span.end_s)
            phoneme = span.phoneme
            self._formants[place.start :] = phoneme.formants_hz
            self._voicing[place] = phoneme.voicing * loudness
            self._noise[place] = 0
            self._noise[place, phoneme.noise_class] = phoneme.noise * (0.5 + 0.5 * loudness)
            self._nasal[place] = phoneme.nasal
        whole = self._slice(spans[0].start_s, spans[-1].end_s)
        self._swell(whole)
        self._tilt[whole] = self._singer.effort_db * (note.velocity - 0.7)
        if self._singer.growl and self._rng.random() < 0.4:
            self._growl[whole] = self._singer.growl * self._rng.uniform(0.3, 1.0)

    def _swell(self, whole: slice) -> None:
        """Level within one syllable: it rises, leans or fades."""
        places = np.linspace(0, 1, whole.stop - whole.start)
        levels = self._rng.uniform([0.6, 0.9, 0.6, 0.25], [1.0, 1.1, 1.0, 0.9])
        self._voicing[whole] *= np.interp(places, [0.0, 0.2, 0.7, 1.0], levels)

    def _sing(self, note: Note, last: bool) -> None:
        rng, singer = self._rng, self._singer
        place = self._slice(note.start_s - 0.04, note.start_s + note.duration_s)
        count = place.stop - place.start
        if count == 0:
            return
        time_s = np.arange(count) / self._rate_hz
        curve = np.full(count, note.pitch_midi)
        if self._manner.spoken:
            curve = self._speech_pitch(count)
        elif rng.random() < 0.5 and not self._manner.quantised:
            depth = rng.uniform(0.2, 1.0) * singer.scoop_semitones
            curve = curve - depth * np.exp(-time_s / rng.uniform(0.02, 0.12))
        if not (self._manner.spoken or self._manner.quantised):
            lean = rng.normal(0, 0.25, 3)
            curve = curve + np.interp(np.linspace(0, 2, count), np.arange(3), lean)
        if last and rng.random() < 0.35:
            fall = rng.choice([2.0, 5.0, 14.0], p=[0.5, 0.35, 0.15]) * rng.uniform(0.3, 1.0)
            curve = curve - fall * np.clip(time_s / time_s[-1:] * 4 - 3, 0, 1)
        self._pitch[place] = curve
        if not self._manner.spoken and rng.random() < 0.85:
            self._vibrato[place] = self._vibrato_curve(time_s)

    def _speech_pitch(self, count: int) -> npt.NDArray[np.float64]:
        base = 0.65 * self._singer.low_midi + 0.35 * self._singer.high_midi
        start, end = self._rng.normal(base, 2.5), self._rng.normal(base - 1.5, 2.5)
        return np.linspace(start, end, count)

    def _vibrato_curve(self, time_s: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        rng, singer = self._rng, self._singer
        rate_hz = singer.vibrato_hz * (1 + 0.05 * rng.standard_normal())
        delay_s = singer.vibrato_delay_s * rng.uniform(0.5, 1.5)
        depth = singer.vibrato_cents / 100.0 * rng.uniform(0.4, 1.2)
        rise = np.clip((time_s - delay_s) / 0.3, 0, 1)
        phase = rate_hz * time_s * (1 + 0.05 * time_s) + rng.random()
        return depth * rise * np.sin(2 * np.pi * phase)

    def _pitch_track(self) -> npt.NDArray[np.float32]:
        known = np.flatnonzero(~np.isnan(self._pitch))
        if known.size == 0:
            return np.full(self._n_frames, 60.0, np.float32)
        nearest = np.interp(np.arange(self._n_frames), known, self._pitch[known])
        width_s = 0.015 if self._manner.quantised else self._singer.portamento_s
        return _hann(nearest.astype(np.float32), width_s * self._rate_hz)

    def finish(self, hop_samples: int) -> Articulation:
        """Smooth the tracks, add natural irregularity, and hand them out."""
        rng, singer, n_frames = self._rng, self._singer, self._n_frames
        drift = singer.drift_cents * smooth_noise(rng, n_frames, 0.35 * self._rate_hz)
        jitter = singer.jitter_cents * rng.standard_normal(n_frames)
        wander = (drift + _hann(jitter.astype(np.float32), 3)) / 100.0
        if self._manner.quantised:
            wander = 0.2 * wander
        midi = self._pitch_track() + self._vibrato + wander
        steady = _hann(self._voicing, 0.022 * self._rate_hz)
        shimmer = 1 + singer.shimmer * rng.standard_normal(n_frames).astype(np.float32)
        voiced = steady * shimmer * (1 - self._manner.whisper)
        voiced *= 10 ** (0.1 * smooth_noise(rng, n_frames, 0.3 * self._rate_hz))
        breath = singer.breath * (1 + 12 * self._manner.whisper)
        formants = _hann(self._formants, rng.uniform(0.04, 0.09) * self._rate_hz)
        formants *= 1 + 0.012 * smooth_noise(rng, n_frames, 10)[:, None]
        noise = _hann(self._noise * singer.noise_level, 3)
        gain = noise.sum(axis=1)
        return Articulation(
            hop_samples=hop_samples,
            f0_hz=(hertz(0.0) * 2.0 ** (np.clip(midi, 33, 92) / 12)).astype(np.float32),
            formants_hz=formants.astype(np.float32),
            voicing=voiced.astype(np.float32),
            aspiration=(steady * breath + self._breathing).astype(np.float32),
            noise=noise / (gain[:, None] + 1e-9),
            noise_gain=gain * np.float32(0.12),
            nasal=_hann(self._nasal, 0.03 * self._rate_hz),
            tilt_db=_hann(self._tilt, 0.08 * self._rate_hz),
            growl=_hann(self._growl, 0.05 * self._rate_hz),
        )
