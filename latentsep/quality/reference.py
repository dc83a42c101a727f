"""Metrics of an estimate against its true stem: SDR and SI-SDR, over whole tracks.

Both are global: one number per track, all channels and samples in one sum, in float64. Neither
is BSSEval: no filter is fitted, and no mean is removed.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from latentsep.quality.pair import check_pair

BLOCK_SAMPLES = 1 << 18
"""Samples per channel converted to float64 at once."""

FloatWaveform = npt.NDArray[np.floating[Any]]


class SdrAccumulator:
    """Gathers SDR and SI-SDR of one track block by block, in bounded memory.

    Only three sums are kept, so the way a track is cut into blocks does not matter up to float64
    rounding, and an estimate that equals its reference gives infinity exactly for SDR.
    """

    def __init__(self) -> None:
        self._reference_energy = 0.0
        self._error_energy = 0.0
        self._estimate_energy = 0.0
        self._product = 0.0

    def add(self, reference: FloatWaveform, estimate: FloatWaveform) -> None:
        """Add the next block of a track.

        Args:
            reference: true stem, ``[channel, sample]``.
            estimate: our stem, of the same shape.

        Raises:
            ValueError: the two shapes differ, or are not ``[channel, sample]``.
        """
        check_pair(reference, estimate)
        for start in range(0, reference.shape[1], BLOCK_SAMPLES):
            block = slice(start, start + BLOCK_SAMPLES)
            self._add_block(
                reference[:, block].astype(np.float64), estimate[:, block].astype(np.float64)
            )

    def _add_block(
        self, reference: npt.NDArray[np.float64], estimate: npt.NDArray[np.float64]
    ) -> None:
        self._reference_energy += float(np.sum(reference**2))
        self._estimate_energy += float(np.sum(estimate**2))
        self._error_energy += float(np.sum((reference - estimate) ** 2))
        self._product += float(np.sum(reference * estimate))

    def sdr_db(self) -> float | None:
        """SDR of what was added so far; see :func:`sdr_db`."""
        return _ratio_db(self._reference_energy, self._error_energy)

    def si_sdr_db(self) -> float | None:
        """SI-SDR of what was added so far; see :func:`si_sdr_db`."""
        if self._reference_energy == 0.0:
            return None
        if self._error_energy == 0.0:
            return math.inf
        target_energy = self._product**2 / self._reference_energy
        if target_energy == 0.0:
            return -math.inf
        residual_energy = self._estimate_energy - target_energy
        # Of two nearly equal sums only rounding is left: the estimate is a scaled reference.
        if residual_energy <= 1e-14 * self._estimate_energy:
            return math.inf
        return _ratio_db(target_energy, residual_energy)


def _ratio_db(signal_energy: float, error_energy: float) -> float | None:
    if signal_energy == 0.0:
        return None
    if error_energy == 0.0:
        return math.inf
    return 10.0 * (math.log10(signal_energy) - math.log10(error_energy))


def sdr_db(reference: FloatWaveform, estimate: FloatWaveform) -> float | None:
    """Signal-to-distortion ratio of one stem over one whole track, in dB. Higher is better.

    Definition: ``10 log10( sum(r^2) / sum((r - e)^2) )`` with both sums over channels and
    samples together. No scaling, no alignment and no filter is fitted, so a gain error counts
    as distortion; this is the "global SDR" of the 2021 Music Demixing Challenge, not BSSEval v4.

    Undefined for a silent reference: returns ``None``, and the caller counts such tracks on
    their own instead of averaging a made-up number. Exact equality gives infinity. Report the
    median over tracks with the count of ``None`` beside it.

    Args:
        reference: true stem, ``[channel, sample]``.
        estimate: our stem, of the same shape.

    Raises:
        ValueError: the two shapes differ, or are not ``[channel, sample]``.
    """
    accumulator = SdrAccumulator()
    accumulator.add(reference, estimate)
    return accumulator.sdr_db()


def si_sdr_db(reference: FloatWaveform, estimate: FloatWaveform) -> float | None:
    """Scale-invariant SDR of one stem over one whole track, in dB. Higher is better.

    Definition: ``10 log10( |a r|^2 / |e - a r|^2 )`` with ``a = <e, r> / <r, r>``, one optimal
    scalar for all channels and samples together. A gain on the whole estimate changes nothing;
    a wrong balance between channels does. No mean is removed, unlike in Le Roux et al. (2019),
    and no filter is fitted.

    Undefined for a silent reference: returns ``None``. An estimate that is a scaled reference
    gives infinity (up to float64 rounding, about 140 dB); a silent or orthogonal one gives minus
    infinity.

    Args:
        reference: true stem, ``[channel, sample]``.
        estimate: our stem, of the same shape.

    Raises:
        ValueError: the two shapes differ, or are not ``[channel, sample]``.
    """
    accumulator = SdrAccumulator()
    accumulator.add(reference, estimate)
    return accumulator.si_sdr_db()
