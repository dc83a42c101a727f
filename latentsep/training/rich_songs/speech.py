"""Synthetic speech taken apart: pitch, envelope and aperiodicity, and where its syllables are.

Analysis by WORLD (Morise et al. 2016, doi:10.1587/transinf.2015EDP7457).
"""

import wave
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
from scipy import ndimage, signal

from latentsep.training.rich_songs.lexicon import random_language, random_words
from latentsep.training.rich_songs.tools import run_tool

SPEECH_RATE_HZ = 22_050
"""What espeak-ng writes."""

FRAME_S = 0.005
VARIANTS = (
    "m1 m2 m3 m4 m5 m6 m7 m8 f1 f2 f3 f4 f5 klatt2 klatt3 klatt4 klatt5 klatt6 "
    "Alex Alicia Andrea Andy Annie Diogo Gene Henrique Hugo Jacky Lee Marco Mario Michael Nguyen "
    "Storm adam anika antonio aunty belinda benjamin boris caleb david edward grandma grandpa "
    "gustave iven kaukovalta linda marcelo max michel miguel norbert pablo quincy rob sandro "
    "shelby steph travis victor zac"
)
"""Throats of espeak-ng that sound like people."""

Frames = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Syllable:
    """Frames of one syllable: its start, those of its vowel, and its end."""

    start: int
    vowel_start: int
    vowel_end: int
    end: int


@dataclass(frozen=True)
class Speech:
    """WORLD's parameters at ``SPEECH_RATE_HZ``, a frame every ``FRAME_S``.

    Attributes:
        f0_hz: ``[frame]``; 0 where there is no voice.
        envelope: power spectrum, ``[frame, bin]``.
        aperiodicity: share of noise in the amplitude, ``[frame, bin]``.
        syllables: in time order.
    """

    f0_hz: Frames
    envelope: Frames
    aperiodicity: Frames
    syllables: tuple[Syllable, ...]


def random_speech(rng: np.random.Generator, n_words: int, gap_s: float) -> Speech:
    """Draw a language, one of the many throats, and words.

    Args:
        rng: source of all randomness.
        n_words: how many words are said.
        gap_s: pause between words, beyond what the language has.

    Raises:
        ConfigError: espeak-ng or pyworld is missing.
    """
    language = random_language(rng)
    options = [
        *("-v", f"{language}+{rng.choice(VARIANTS.split())}"),
        *("-s", str(int(rng.integers(110, 190)))),
        *("-p", str(int(rng.integers(20, 80)))),
        *("-g", str(round(100 * gap_s))),
    ]
    return analyse(_spoken(options, " ".join(random_words(rng, language, n_words))))


def _spoken(options: list[str], text: str) -> Frames:
    with TemporaryDirectory(prefix="latentsep-words-") as folder:
        file = Path(folder) / "words.wav"
        # -b 1: the text is UTF-8.
        run_tool("espeak-ng", [*options, "-b", "1", "-w", str(file), "--", text])
        return read_speech(file)


def read_speech(file: Path) -> Frames:
    """``[sample]`` of a mono WAV file of 16 bit."""
    with wave.open(str(file)) as recording:
        pcm = np.frombuffer(recording.readframes(recording.getnframes()), "<i2")
    return pcm / 32_768.0


def analyse(samples: Frames) -> Speech:
    """Take ``[sample]`` at ``SPEECH_RATE_HZ`` apart."""
    import pyworld

    coarse_hz, time_s = pyworld.dio(samples, SPEECH_RATE_HZ, frame_period=1000 * FRAME_S)
    f0_hz = pyworld.stonemask(samples, coarse_hz, time_s, SPEECH_RATE_HZ)
    envelope = pyworld.cheaptrick(samples, f0_hz, time_s, SPEECH_RATE_HZ)
    aperiodicity = pyworld.d4c(samples, f0_hz, time_s, SPEECH_RATE_HZ)
    return Speech(f0_hz, envelope, aperiodicity, find_syllables(f0_hz, envelope))


def find_syllables(f0_hz: Frames, envelope: Frames) -> tuple[Syllable, ...]:
    """Voiced peaks of the level between 250 and 2800 Hz, cut at the dips between them."""
    bin_hz = SPEECH_RATE_HZ / 2 / (envelope.shape[1] - 1)
    sonority_db = _level_db(envelope[:, int(250 / bin_hz) : int(2800 / bin_hz)])
    found, _ = signal.find_peaks(
        sonority_db, height=np.max(sonority_db) - 22, distance=round(0.09 / FRAME_S), prominence=2.5
    )
    peaks = [int(peak) for peak in found if f0_hz[peak] > 0]
    if not peaks:
        return ()
    dips = [int(a + np.argmin(sonority_db[a:b])) for a, b in pairwise(peaks)]
    edges = list(pairwise([0, *dips, len(sonority_db)]))
    level_db = _level_db(envelope)
    # Closures before and after plosives are silent, and belong to their syllable.
    sounding = ndimage.binary_closing(level_db > np.max(level_db) - 50, np.ones(14, bool))
    syllables = []
    for peak, edge in zip(peaks, edges, strict=True):
        vowel = (f0_hz > 0) & (sonority_db > sonority_db[peak] - 7)
        syllables.append(Syllable(*_nested(_run(sounding, peak, edge), _run(vowel, peak, edge))))
    return tuple(syllables)


def _run(mask: npt.NDArray[np.bool_], place: int, edge: tuple[int, int]) -> tuple[int, int]:
    """Bounds of the run of true frames around a place that lies in one, cut at the edges."""
    before = np.flatnonzero(~mask[edge[0] : place])
    after = np.flatnonzero(~mask[place : edge[1]])
    start = edge[0] + before[-1] + 1 if before.size else edge[0]
    return int(start), int(place + after[0] if after.size else edge[1])


def _nested(whole: tuple[int, int], vowel: tuple[int, int]) -> tuple[int, int, int, int]:
    return min(whole[0], vowel[0]), *vowel, max(whole[1], vowel[1])


def _level_db(envelope: Frames) -> Frames:
    level_db = 10 * np.log10(np.mean(envelope, axis=1) + 1e-12)
    return np.asarray(ndimage.uniform_filter1d(level_db, 5))
