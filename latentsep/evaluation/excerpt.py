"""Which stretch of a song BSSEval hears."""

import numpy as np
import numpy.typing as npt

from latentsep.audio.waveform import Waveform
from latentsep.evaluation.songs import TrueSong

SOUNDS_DB = -20.0
"""A second sounds in which a stem is less far below its own mean power: no tail of an echo."""


def excerpt(song: TrueSong, length_s: int) -> slice:
    """The samples of ``length_s`` seconds in which voice and accompaniment sound together most.

    It starts on a whole second. Of stretches with as many seconds in which both stems sound, it is
    the one nearest to the song's middle, and of two the earlier. It depends on the true stems
    alone, so it is the same for every system; it looks at presence and not at levels, so that it
    does not pick the loudest and easiest vocals; and it leaves as few frames undefined as can be.
    A song that is not longer is taken whole.
    """
    samples = song.mixture.shape[1]
    rate_hz = song.sample_rate_hz
    seconds = samples // rate_hz
    if samples <= length_s * rate_hz:
        return slice(0, samples)
    both = _sounds(song.vocals, rate_hz) & _sounds(song.accompaniment, rate_hz)
    counts = np.convolve(both, np.ones(length_s, int), "valid")
    most = np.flatnonzero(counts == counts.max())
    from_middle = np.abs(2 * most + length_s - seconds)
    start = int(most[from_middle.argmin()]) * rate_hz
    return slice(start, start + length_s * rate_hz)


def _sounds(stem: Waveform, rate_hz: int) -> npt.NDArray[np.bool_]:
    """Whether a stem sounds in each whole second."""
    seconds = stem.shape[1] // rate_hz
    cut = stem[:, : seconds * rate_hz].reshape(len(stem), seconds, rate_hz)
    power = np.square(cut).mean(axis=(0, 2), dtype=np.float64)
    return np.asarray(power > power.mean() * 10 ** (SOUNDS_DB / 10))
