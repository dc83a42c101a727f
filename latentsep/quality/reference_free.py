"""What can be said of a separation without its true stems: the quality columns of the ledger.

Everything is measured in one pass over the track, on hops of 100 ms and their spectra.
"""

import math
from array import array
from dataclasses import dataclass

import numpy as np

from latentsep.audio.loudness import gated_lufs
from latentsep.audio.waveform import Waveform
from latentsep.quality.hops import HopBatch, HopCutter
from latentsep.quality.spectra import HopSpectra, bandwidth_hz, hann, hann_noise_power, power

HOPS_PER_SECOND = 10
_COPIED_SAMPLES = 1 << 16
"""A window of a track may be a minute long; no copy of all of it is made."""
SILENCE_DB = -60.0
"""RMS in dBFS below which 100 ms count as silent; full scale is an RMS of 1."""
ACTIVITY_DB = -20.0
"""How far below the mixture the vocals of the same 100 ms may lie and still count as singing.

A compromise: lower levels count more of what a separator leaves of the accompaniment, higher ones
miss more of softly mixed singing. Either happens here too; compare tracks of one model only.
"""

BLEED_FLOOR_DB = -100.0
"""What stems that share nothing at all have: an overlap of zero has no level."""


@dataclass(frozen=True)
class QualityMeasures:
    """Measures of one track; the names are those of the ledger's columns.

    Attributes:
        vocal_activity_ratio: share of the hops in which the vocals stand above ``SILENCE_DB`` and
            at most ``ACTIVITY_DB`` below the mixture.
        silence_ratio: share of the hops in which the mixture stands below ``SILENCE_DB``.
        mixture_loudness_lufs: integrated loudness after ITU-R BS.1770-4, with its weighting
            applied to the spectra of hops: within 0.1 LU of the filters in time on songs, 0.2
            on little but the deepest bass. None below 400 ms, or if all of it is below -70 LUFS.
        vocals_loudness_lufs: the same of the vocals.
        accompaniment_loudness_lufs: the same of the accompaniment.
        mixture_peak_db: largest sample, dBFS; None for digital silence.
        vocals_peak_db: the same of the vocals.
        accompaniment_peak_db: the same of the accompaniment.
        bleed_db: energy that both stems have in the same places of the time-frequency plane, by
            the energy of the stronger one there: the sum of ``min(|V|^2, |A|^2)`` over that of
            ``max(|V|^2, |A|^2)``, where ``|.|^2`` is the power of all channels together. Sources
            that are disjoint there, as those of songs nearly are (W-disjoint orthogonality: Yilmaz
            & Rickard, Blind separation of speech mixtures via time-frequency masking, IEEE TSP
            52(7), 2004), overlap more the more one leaks into the other. ``BLEED_FLOOR_DB`` at
            least; None if a stem is silent all the time.
        bandwidth_hz: see ``spectra.bandwidth_hz``; None for a mixture that is silent all the time,
            or nowhere louder than the dither of 16 bits.
    """

    vocal_activity_ratio: float
    silence_ratio: float
    mixture_loudness_lufs: float | None
    vocals_loudness_lufs: float | None
    accompaniment_loudness_lufs: float | None
    mixture_peak_db: float | None
    vocals_peak_db: float | None
    accompaniment_peak_db: float | None
    bleed_db: float | None
    bandwidth_hz: float | None


class QualityMeter:
    """Collects blocks of one track; keeps six numbers for each 100 ms of it.

    A rest of less than 100 ms at the end counts for the peaks alone, unless it is the whole track.
    """

    def __init__(self, sample_rate_hz: int, channels: int) -> None:
        self._rate_hz, self._channels = sample_rate_hz, channels
        self._cutter = HopCutter(3 * channels, round(sample_rate_hz / HOPS_PER_SECOND))
        self._spectra = HopSpectra(sample_rate_hz, channels, self._cutter.hop_samples)
        self._peaks = np.zeros(3)
        self._powers = array("d")
        self._common = self._stronger = 0.0
        self._long_term = np.zeros(max(0, self._cutter.hop_samples // 2 - 1))

    def add(self, mixture: Waveform, vocals: Waveform, accompaniment: Waveform) -> None:
        """Measure the next block ``[channel, sample]``; where the track is cut does not matter.

        Raises:
            ValueError: the blocks differ in shape, or have another channel count than announced.
        """
        blocks = (mixture, vocals, accompaniment)
        shapes = [block.shape for block in blocks]
        if len(set(shapes)) > 1 or len(shapes[0]) != 2 or shapes[0][0] != self._channels:
            raise ValueError(
                f"blocks have shapes {shapes}, wanted three [{self._channels}, sample]"
            )
        if mixture.shape[1] == 0:
            return
        peaks = [max(float(block.max()), -float(block.min())) for block in blocks]
        self._peaks = np.maximum(self._peaks, peaks)
        for start in range(0, mixture.shape[1], _COPIED_SAMPLES):
            piece = slice(start, start + _COPIED_SAMPLES)
            for hops in self._cutter.cut(np.concatenate([block[:, piece] for block in blocks])):
                self._measure(hops)

    def measures(self) -> QualityMeasures:
        """The measures of what was added so far."""
        powers = np.array(self._powers).reshape(-1, 3, 2)
        plain, weighted = powers[..., 0], powers[..., 1]
        loudness = [gated_lufs(weighted[:, stem]) for stem in range(3)]
        peaks = [_db(float(peak) ** 2) for peak in self._peaks]
        if not len(plain) and self._cutter.rest.shape[1]:
            rest = self._cutter.rest.reshape(3, -1).astype(np.float64)
            plain = np.square(rest).mean(axis=1)[None]
        sounds = plain > 10 ** (SILENCE_DB / 10)
        sings = sounds[:, 1] & (plain[:, 1] > plain[:, 0] * 10 ** (ACTIVITY_DB / 10))
        both_sound = sounds[:, 1].any() and sounds[:, 2].any()
        return QualityMeasures(
            vocal_activity_ratio=float(sings.mean()) if len(plain) else 0.0,
            silence_ratio=1.0 - float(sounds[:, 0].mean()) if len(plain) else 1.0,
            mixture_loudness_lufs=loudness[0],
            vocals_loudness_lufs=loudness[1],
            accompaniment_loudness_lufs=loudness[2],
            mixture_peak_db=peaks[0],
            vocals_peak_db=peaks[1],
            accompaniment_peak_db=peaks[2],
            bleed_db=self._bleed_db() if both_sound else None,
            bandwidth_hz=self._bandwidth_hz() if sounds[:, 0].any() else None,
        )

    def _measure(self, hops: HopBatch) -> None:
        spectra = self._spectra.transform(hops)
        # In the order of the track: hop, then stem.
        self._powers.frombytes(self._spectra.powers(spectra).swapaxes(0, 1).tobytes())
        # One signal after the other, which stay in the processor's cache. Powers of the channels
        # are added, and not the channels: opposite ones would cancel.
        mixture, vocals, accompaniment = (power(hann(signal)).sum(axis=0) for signal in spectra)
        self._long_term += mixture.sum(axis=0)
        self._common += float(np.minimum(vocals, accompaniment).sum(dtype=np.float64))
        self._stronger += float(np.maximum(vocals, accompaniment).sum(dtype=np.float64))

    def _bleed_db(self) -> float | None:
        if not self._stronger:
            return None
        level_db = _db(self._common / self._stronger)
        return BLEED_FLOOR_DB if level_db is None else max(level_db, BLEED_FLOOR_DB)

    def _bandwidth_hz(self) -> float | None:
        hops = len(self._powers) // 6
        spectra = max(1, hops * self._channels)
        noise_bin_power = hann_noise_power(self._cutter.hop_samples)
        return bandwidth_hz(self._long_term / (spectra * noise_bin_power), self._rate_hz)


def _db(power_ratio: float) -> float | None:
    return 10 * math.log10(power_ratio) if power_ratio > 0 else None
