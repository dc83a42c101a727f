"""Score systems against true stems: whole songs, and BSSEval on an excerpt of each.

docs/evaluation.md has the definitions.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from latentsep.audio.waveform import Waveform
from latentsep.evaluation.excerpt import excerpt
from latentsep.evaluation.songs import SongSource, TrueSong
from latentsep.evaluation.systems import Estimate, System
from latentsep.quality.bsseval import BssEval, BssFrames, Floats, Signals
from latentsep.quality.mr_stft import mr_stft_distance
from latentsep.quality.museval_bsseval import MusevalBssEval
from latentsep.quality.reference import sdr_db, si_sdr_db
from latentsep.quality.silence import level_in_silence_db

STEMS = ("vocals", "accompaniment")
SONG_METRICS: dict[str, Callable[[Waveform, Waveform], float | None]] = {
    "sdr_db": sdr_db,
    "si_sdr_db": si_sdr_db,
    "mr_stft": mr_stft_distance,
}
"""Of each stem of a whole song: the true one first."""
BSSEVAL: dict[str, Callable[[Signals, int], Callable[[Signals], BssFrames]]] = {
    "fast": BssEval,
    "museval": MusevalBssEval,
}
BSS_METRICS = ("sdr_db", "isr_db", "sir_db", "sar_db")
"""Of each stem of the excerpt: fields of ``BssFrames``."""
IN_SILENCE = "vocals_in_silence_db"
GRID = 2.0**15
"""Steps of 16 bits; see ``bss_signals``."""
TIMED_S = 60
WARM_UP_S = 5

Values = Mapping[str, float | None]


@dataclass(frozen=True)
class ScoreOptions:
    """How songs are scored.

    Attributes:
        excerpt_s: length of the excerpt for BSSEval in seconds; None for whole songs.
        bsseval: key in ``BSSEVAL``.
    """

    excerpt_s: int | None = 30
    bsseval: str = "fast"


@dataclass(frozen=True)
class Score:
    """One system on one song.

    Attributes:
        values: metrics by name, see ``metric_names``; None where one is undefined.
        bss_frames: seconds of the excerpt.
        bss_undefined_frames: those that are in no median, since a stem or an estimate is silent.
    """

    system: str
    values: Values
    bss_frames: int
    bss_undefined_frames: int


@dataclass(frozen=True)
class SongScores:
    """All systems on one song.

    Attributes:
        mixture_error_db: see ``TrueSong``.
        excerpt_start_s: where in the song BSSEval was measured.
    """

    song: str
    duration_s: float
    mixture_error_db: float | None
    excerpt_start_s: float
    scores: list[Score]

    def rows(self) -> list[dict[str, str | float | None]]:
        """A flat row for each system."""
        song: dict[str, str | float | None] = {
            "song": self.song,
            "duration_s": self.duration_s,
            "mixture_error_db": self.mixture_error_db,
            "excerpt_start_s": self.excerpt_start_s,
        }
        return [
            {
                **song,
                "system": score.system,
                **score.values,
                "bss_frames": score.bss_frames,
                "bss_undefined_frames": score.bss_undefined_frames,
            }
            for score in self.scores
        ]


def metric_names() -> list[str]:
    """Names of all metrics, in the order of the columns."""
    of_song = [f"{stem}_{metric}" for stem in STEMS for metric in SONG_METRICS]
    of_excerpt = [f"{stem}_bss_{metric}" for stem in STEMS for metric in BSS_METRICS]
    return [*of_song, IN_SILENCE, *of_excerpt]


def score_songs(
    sources: Iterable[SongSource], systems: Mapping[str, System], options: ScoreOptions
) -> Iterator[SongScores]:
    """Every system on every song, one song after another in this process."""
    for source in sources:
        yield score_song(source.load(), systems, options)


def score_song(song: TrueSong, systems: Mapping[str, System], options: ScoreOptions) -> SongScores:
    """Every system on one song."""
    whole = slice(0, song.mixture.shape[1])
    place = whole if options.excerpt_s is None else excerpt(song, options.excerpt_s)
    true = Estimate(song.vocals, song.accompaniment)
    references = np.rint(bss_signals(true, place) * GRID) / GRID
    bss_eval = BSSEVAL[options.bsseval](references, song.sample_rate_hz)
    scores = []
    for name, system in systems.items():
        estimate = system(song)
        frames = bss_eval(bss_signals(estimate, place))
        values = {**_song_values(song, estimate), **_bss_values(frames)}
        undefined = np.isnan(frames.sdr_db[0])
        scores.append(Score(name, values, len(undefined), int(undefined.sum())))
    return SongScores(
        song.name,
        song.duration_s,
        song.mixture_error_db,
        place.start / song.sample_rate_hz,
        scores,
    )


def bss_signals(stems: Estimate, place: slice) -> Floats:
    """A stretch of both stems, ``[source, channel, sample]``.

    True stems are rounded to 16 bits for BSSEval, as those of MUSDB-HQ are. Above the band of a
    stem that was decoded from a lossy file, or generated, there is nothing but rounding of floats,
    and filters of 512 taps would make anything of that: by museval the same excerpt had a SIR of
    -29 dB with, and of -5 dB without it.
    """
    stacked = np.stack([stems.vocals[:, place], stems.accompaniment[:, place]])
    return stacked.astype(np.float64)


def realtime_factors(song: TrueSong, systems: Mapping[str, System]) -> dict[str, float]:
    """Audio-seconds per second of each system: once on up to a minute of a song, warmed up."""
    start = excerpt(song, TIMED_S).start
    clip = song.cut(start, TIMED_S * song.sample_rate_hz)
    warm_up = clip.cut(0, WARM_UP_S * song.sample_rate_hz)
    factors = {}
    for name, system in systems.items():
        system(warm_up)
        began_s = time.perf_counter()
        system(clip)
        factors[name] = clip.duration_s / (time.perf_counter() - began_s)
    return factors


def _song_values(song: TrueSong, estimate: Estimate) -> dict[str, float | None]:
    values = {
        f"{stem}_{name}": metric(getattr(song, stem), getattr(estimate, stem))
        for stem in STEMS
        for name, metric in SONG_METRICS.items()
    }
    in_silence = level_in_silence_db(song.vocals, estimate.vocals, song.sample_rate_hz)
    return {**values, IN_SILENCE: in_silence}


def _bss_values(frames: BssFrames) -> dict[str, float | None]:
    """Medians over the frames where the ratios are defined."""
    return {
        f"{stem}_bss_{name}": _median(getattr(frames, name)[number])
        for number, stem in enumerate(STEMS)
        for name in BSS_METRICS
    }


def _median(values: Floats) -> float | None:
    defined = values[~np.isnan(values)]
    return float(np.median(defined)) if defined.size else None
