"""Power, weighted power and spectra of hops, all out of one transform."""

import numpy as np
import numpy.typing as npt
from scipy.fft import rfft
from scipy.signal import freqz_sos

from latentsep.audio.loudness import channel_weights, k_weighting
from latentsep.quality.hops import HopBatch

Spectra = npt.NDArray[np.complex64]
"""Spectra of hops, ``[..., bin]``."""
BANDWIDTH_DB = -80.0
"""Level of a band to the strongest one from which on it counts as carried.

Song spectra reach this at the upper end of their band, and the filters of lossy coders fall far
below it.
"""
DITHER_POWER = 2.0**-30
"""White noise of this mean square, one step of 16 bits, is the least that counts as carried.

Rounding with triangular dither makes a quarter of it, rounding alone a twelfth. Under a quiet or a
narrow mixture that may lie above ``BANDWIDTH_DB``.
"""
_BAND_HZ = 100


class HopSpectra:
    """Power and loudness weighting of hops of one format, by Parseval's theorem.

    Args:
        sample_rate_hz: of the signals.
        channels: of each signal; hops hold the channels of one signal after the other.
        hop_samples: length of a hop.
    """

    def __init__(self, sample_rate_hz: int, channels: int, hop_samples: int) -> None:
        bins = hop_samples // 2 + 1
        # Bins but the first, and the last of an even length, stand for a negative twin too.
        twins = np.full(bins, 2.0)
        twins[0] = 1.0
        if hop_samples % 2 == 0:
            twins[-1] = 1.0
        angles = 2 * np.pi * np.arange(bins) / hop_samples
        gains = np.square(np.abs(freqz_sos(k_weighting(sample_rate_hz), worN=angles)[1]))
        weights = np.stack([twins, twins * gains], axis=1) / hop_samples**2
        self._weights = weights.astype(np.float32)
        self._means = np.full(channels, 1 / channels)
        self._sums = channel_weights(channels)
        self._channels = channels

    def transform(self, hops: HopBatch) -> Spectra:
        """``[signal * channel, hop, sample]`` -> ``[signal, channel, hop, bin]``."""
        spectra = rfft(hops, axis=-1)
        return spectra.reshape(-1, self._channels, *spectra.shape[1:])

    def powers(self, spectra: Spectra) -> npt.NDArray[np.float64]:
        """``[signal, hop, 2]``: mean square over the channels, and weighted one after BS.1770."""
        plain, weighted = np.moveaxis(power(spectra) @ self._weights, -1, 0)
        return np.stack(
            [
                np.einsum("c,sch->sh", self._means, plain),
                np.einsum("c,sch->sh", self._sums, weighted),
            ],
            axis=-1,
        )


def power(spectra: Spectra) -> npt.NDArray[np.float32]:
    """``|spectra| ** 2``."""
    result: npt.NDArray[np.float32] = np.square(spectra.real)
    result += np.square(spectra.imag)
    return result


def hann(spectra: Spectra) -> Spectra:
    """What the spectra ``[..., bin]`` of unwindowed hops would be under a Hann window.

    The window is a constant and one cosine, so its transform has three bins. The outermost bins
    are left out.
    """
    # As pairs of floats: numpy's loops over complex numbers take twice as long.
    pairs = spectra.view(spectra.real.dtype)
    twice = 2 * pairs[..., 2:-2]
    twice -= pairs[..., :-4]
    twice -= pairs[..., 4:]
    return twice.view(spectra.dtype)


def hann_noise_power(hop_samples: int) -> float:
    """Mean of ``power(hann(spectra))`` per bin for white noise with a mean square of 1.

    ``hann`` gives four times the window's transform, and the window has a mean square of 3/8.
    """
    return 16 * 3 / 8 * hop_samples


def bandwidth_hz(spectrum: npt.NDArray[np.float64], sample_rate_hz: int) -> float | None:
    """Highest frequency that a long-term power spectrum carries; None if it carries nothing.

    The upper edge of the highest band of 100 Hz whose mean power lies at most 80 dB
    (``BANDWIDTH_DB``) below that of the strongest band, and above ``DITHER_POWER``.

    Args:
        spectrum: power by bin, without the outermost bins, see ``hann``; white noise has its mean
            square in every bin.
        sample_rate_hz: of the signal.
    """
    bin_hz = sample_rate_hz / 2 / (len(spectrum) + 1)
    width = max(1, round(_BAND_HZ / bin_hz))
    bands = np.add.reduceat(spectrum, np.arange(0, len(spectrum), width)) / width
    least = max(float(bands.max()) * 10 ** (BANDWIDTH_DB / 10), DITHER_POWER)
    carried = np.flatnonzero(bands >= least)
    if not len(carried):
        return None
    return min((int(carried[-1]) + 1) * width * bin_hz, sample_rate_hz / 2)
