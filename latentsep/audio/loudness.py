"""Integrated loudness of a stream after ITU-R BS.1770-4, in bounded memory."""

from array import array

import numpy as np
import numpy.typing as npt
from scipy.signal import sosfilt

from latentsep.audio.waveform import Waveform

# The standard gives filter coefficients for one rate only; these analogue parameters, the same as
# in libebur128, reproduce them and give those of other rates.
_TABLE_RATE_HZ = 48_000
_SHELF_HZ, _SHELF_Q, _SHELF_GAIN_DB = 1681.974450955533, 0.7071752369554196, 3.999843853973347
_HIGH_PASS_HZ, _HIGH_PASS_Q = 38.13547087602444, 0.5003270373238773
_OFFSET_DB = -0.691
_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0
# Gating blocks of 400 ms start every 100 ms.
_HOPS_PER_SECOND = 10
_HOPS_PER_BLOCK = 4
_SURROUND_WEIGHT = 1.41


class LoudnessMeter:
    """Collects blocks ``[channel, sample]`` of one track; keeps one number per 100 ms of it."""

    def __init__(self, sample_rate_hz: int, channels: int) -> None:
        self._rate_hz, self._channels = sample_rate_hz, channels
        self._sections = k_weighting(sample_rate_hz)
        self._filter_state = np.zeros((len(self._sections), channels, 2))
        self._weights = channel_weights(channels)
        self._hop_energies = array("d")
        self._open_energy = 0.0
        self._frames = 0

    def add(self, block: Waveform) -> None:
        """Measure the next block ``[channel, sample]``; where the track is cut does not matter.

        Raises:
            ValueError: another channel count than announced.
        """
        if block.ndim != 2 or block.shape[0] != self._channels:
            raise ValueError(f"block has shape {block.shape}, wanted [{self._channels}, sample]")
        if block.shape[1] == 0:
            return
        filtered, self._filter_state = sosfilt(
            self._sections, block.astype(np.float64), axis=1, zi=self._filter_state
        )
        self._collect(self._weights @ np.square(filtered))

    def integrated_lufs(self) -> float | None:
        """Gated loudness so far, in LUFS.

        ``None`` where it is undefined: less than 400 ms of audio, or none of it above -70 LUFS.
        """
        hops = np.frombuffer(self._hop_energies, np.float64) if self._hop_energies else np.zeros(0)
        return gated_lufs(hops / (self._rate_hz / _HOPS_PER_SECOND))

    def _collect(self, energy: npt.NDArray[np.float64]) -> None:
        """Add weighted squares ``[sample]`` to the 100 ms hops they fall into."""
        end = self._frames + len(energy)
        first_hop = len(self._hop_energies) + 1
        count = end * _HOPS_PER_SECOND // self._rate_hz - len(self._hop_energies)
        # Hop k ends at the sample k * rate / 10, rounded up where that is not whole.
        ends = -(-np.arange(first_hop, first_hop + count) * self._rate_hz // _HOPS_PER_SECOND)
        cuts = np.minimum(ends, end) - self._frames
        for piece in np.split(energy, cuts)[:-1]:
            self._hop_energies.append(self._open_energy + float(piece.sum()))
            self._open_energy = 0.0
        self._open_energy += float(energy[cuts[-1] if count else 0 :].sum())
        self._frames = end


def gated_lufs(hop_energies: npt.NDArray[np.float64]) -> float | None:
    """Integrated loudness from the weighted mean square of each 100 ms of a track.

    ``None`` where it is undefined: less than 400 ms of audio, or none of it above -70 LUFS.
    """
    if len(hop_energies) < _HOPS_PER_BLOCK:
        return None
    sums = np.convolve(hop_energies, np.ones(_HOPS_PER_BLOCK), mode="valid")
    energies = np.maximum(sums, 0.0) / _HOPS_PER_BLOCK
    energies = energies[energies > _energy(_ABSOLUTE_GATE_LUFS)]
    if len(energies) == 0:
        return None
    relative_gate = float(energies.mean()) * 10 ** (_RELATIVE_GATE_LU / 10)
    return _lufs(float(energies[energies > relative_gate].mean()))


def k_weighting(sample_rate_hz: int) -> npt.NDArray[np.float64]:
    """Second-order sections ``[section, 6]`` of the K-weighting: head shelf, then high pass."""
    return np.array([_shelf(sample_rate_hz), _high_pass(sample_rate_hz)])


def channel_weights(channels: int) -> npt.NDArray[np.float64]:
    """Weights ``[channel]`` in WAV order: surrounds count 1.41, the low-frequency channel nothing.

    Layouts other than 5.0, 5.1 and 7.1 count every channel fully.
    """
    surround = _SURROUND_WEIGHT
    known = {
        5: (1, 1, 1, surround, surround),
        6: (1, 1, 1, 0, surround, surround),
        8: (1, 1, 1, 0, 1, 1, surround, surround),
    }
    return np.array(known.get(channels, (1,) * channels), np.float64)


def _shelf(sample_rate_hz: int) -> list[float]:
    k = np.tan(np.pi * _SHELF_HZ / sample_rate_hz)
    high = 10 ** (_SHELF_GAIN_DB / 20)
    band = high**0.4996667741545416
    norm = 1 + k / _SHELF_Q + k * k
    return [
        (high + band * k / _SHELF_Q + k * k) / norm,
        2 * (k * k - high) / norm,
        (high - band * k / _SHELF_Q + k * k) / norm,
        1.0,
        2 * (k * k - 1) / norm,
        (1 - k / _SHELF_Q + k * k) / norm,
    ]


def _high_pass(sample_rate_hz: int) -> list[float]:
    k = np.tan(np.pi * _HIGH_PASS_HZ / sample_rate_hz)
    norm = 1 + k / _HIGH_PASS_Q + k * k
    # The table's numerator is 1, -2, 1, a gain of 0.04 dB at its rate; others get that gain too.
    k_table = np.tan(np.pi * _HIGH_PASS_HZ / _TABLE_RATE_HZ)
    gain = (1 + k_table / _HIGH_PASS_Q + k_table * k_table) / norm
    poles = [1.0, 2 * (k * k - 1) / norm, (1 - k / _HIGH_PASS_Q + k * k) / norm]
    return [gain, -2 * gain, gain, *poles]


def _energy(lufs: float) -> float:
    return float(10 ** ((lufs - _OFFSET_DB) / 10))


def _lufs(energy: float) -> float:
    return float(_OFFSET_DB + 10 * np.log10(energy))
