"""Whether the places where a stem was joined stand out from the rest of it.

A click, a jump or a change of timbre at a join makes neighbouring short-time spectra differ more
than they do elsewhere, which onset detectors call spectral flux (Bello et al., A tutorial on onset
detection in music signals, IEEE TSAP 13(5), 2005).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from latentsep.audio.waveform import Waveform
from latentsep.quality.reference_free import SILENCE_DB

FRAME_SAMPLES = 1_024
"""Of both spectra, 23 ms at 44.1 kHz."""
HOP_SAMPLES = FRAME_SAMPLES // 2
ELSEWHERE_SAMPLES = 4 * FRAME_SAMPLES
"""From one place to the next of those that joins are compared with."""

Flux = npt.NDArray[np.float64]
"""``[place]``, each 0..1."""


def spectral_flux(waveform: Waveform, places: Iterable[int]) -> Flux:
    """How much the spectrum changes at places of a stem.

    ``sum | |A| - |B| | / sum (|A| + |B|)`` over channels and bins, where ``A`` is the spectrum
    under a Hann window centred on the place, and ``B`` that of half a window before, to which the
    place does not belong. It does not depend on the level: 0 where nothing changes, 1 where a sound
    begins or ends.

    Places too near the ends of the stem are left out, and those where it is silent.

    Args:
        waveform: the stem ``[channel, sample]``.
        places: in samples.
    """
    reach = HOP_SAMPLES + FRAME_SAMPLES // 2
    inside = [p for p in places if reach <= p <= waveform.shape[1] - FRAME_SAMPLES // 2]
    starts = np.array(inside, dtype=np.int64) - FRAME_SAMPLES // 2
    after, before = (_magnitudes(waveform, starts - back) for back in (0, HOP_SAMPLES))
    change, whole = (part.sum(axis=(0, 2)) for part in (np.abs(after - before), after + before))
    # Mean square by Parseval's theorem; a Hann window has one of 3/8.
    power = (np.square(after) + np.square(before)).mean(axis=(0, 2)) / (0.75 * FRAME_SAMPLES)
    sounds = power > 10 ** (SILENCE_DB / 10)
    flux: Flux = change[sounds] / whole[sounds]
    return flux


def places_between(borders: Sequence[int], track_samples: int) -> list[int]:
    """Evenly spaced places whose flux no border has a part in."""
    ordered = sorted(borders)
    return [
        place
        for place in range(0, track_samples, ELSEWHERE_SAMPLES)
        if not _any_within(ordered, place - FRAME_SAMPLES, place + FRAME_SAMPLES)
    ]


def excess_percent(at_borders: Flux, elsewhere: Flux) -> float | None:
    """By how much the median flux at borders is above that elsewhere, in %; lower is better.

    0 means that borders do not stand out; with few borders the figure scatters around it. None
    where there is nothing to compare.
    """
    if not len(at_borders) or not len(elsewhere) or not np.median(elsewhere):
        return None
    return 100 * float(np.median(at_borders) / np.median(elsewhere) - 1)


def _any_within(ordered: Sequence[int], first: int, last: int) -> bool:
    return bisect_left(ordered, first) < bisect_right(ordered, last)


def _magnitudes(waveform: Waveform, starts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """``[channel, place, bin]`` of Hann frames."""
    frames = waveform[:, starts[:, None] + np.arange(FRAME_SAMPLES)].astype(np.float64)
    window = np.hanning(FRAME_SAMPLES + 1)[:-1]
    magnitudes: npt.NDArray[np.float64] = np.abs(np.fft.rfft(frames * window))
    return magnitudes
