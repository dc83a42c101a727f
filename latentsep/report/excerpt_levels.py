"""Levels of an excerpt by time and frequency, for its picture."""

import numpy as np
import numpy.typing as npt

from latentsep.audio.waveform import Waveform
from latentsep.report.document import HIGHEST_HZ, LOWEST_HZ

BANDS = 80
COLUMNS = 240
WINDOW_S = 0.046
FLOOR_DB = -120.0
_SINE_BINS = 1.5
"""Equivalent noise bandwidth of the Hann window."""


def levels_db(waveform: Waveform, sample_rate_hz: int) -> npt.NDArray[np.float32]:
    """Spectrogram ``[band, column]`` of the mean of all channels, from ``FLOOR_DB`` to 0.

    A sine at full scale has 0 dB. Bands are even on a logarithmic scale; those above half the
    sample rate are at the floor.

    Args:
        waveform: ``[channel, sample]``; one sample at least.
        sample_rate_hz: of it.
    """
    size = 2 ** round(np.log2(WINDOW_S * sample_rate_hz))
    mono = waveform.mean(axis=0, dtype=np.float64)
    padded = np.pad(mono, size // 2)
    starts = np.linspace(0, len(padded) - size, COLUMNS).astype(np.int64)
    window = np.hanning(size)
    pieces = np.lib.stride_tricks.sliding_window_view(padded, size)[starts] * window
    powers = np.square(np.abs(np.fft.rfft(pieces)) * 2 / window.sum())
    banded = _banded(powers.T, size / sample_rate_hz)
    floor = 10 ** (FLOOR_DB / 10)
    return (10 * np.log10(np.clip(banded, floor, 1))).astype(np.float32)


def _banded(powers: npt.NDArray[np.float64], bins_per_hz: float) -> npt.NDArray[np.float64]:
    """Power ``[band, column]`` of each band; bin ``k`` reaches from ``k - 0.5`` to ``k + 0.5``.

    A sine spreads over ``_SINE_BINS``. Low bands are narrower and have the mean power of what they
    cover; to others all of the sine counts.
    """
    edges = np.geomspace(LOWEST_HZ, HIGHEST_HZ, BANDS + 1) * bins_per_hz + 0.5
    below = np.concatenate([np.zeros((1, powers.shape[1])), np.cumsum(powers, axis=0)])
    whole = np.minimum(edges.astype(np.int64), len(powers))
    part = np.where(whole < len(powers), edges - whole, 0)[:, None]
    upper = np.minimum(whole + 1, len(powers))
    integral = below[whole] * (1 - part) + below[upper] * part
    widths = np.minimum(np.diff(edges), _SINE_BINS)
    banded: npt.NDArray[np.float64] = np.diff(integral, axis=0) / widths[:, None]
    return banded
