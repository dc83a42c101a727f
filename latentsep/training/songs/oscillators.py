"""Periodic tones read from wavetables, band-limited by construction."""

import numpy as np
import numpy.typing as npt
from scipy import fft

from latentsep.training.songs.effects import Signal

TABLE_SAMPLES = 2048
"""Length of one cycle in a wavetable."""

CEILING_HZ = 19_000.0
"""No harmonic is put above this frequency."""


def hertz(pitch_midi: float) -> float:
    """Frequency of a MIDI pitch, A4 (69) at 440 Hz."""
    return float(440.0 * 2.0 ** ((pitch_midi - 69.0) / 12.0))


def harmonic_numbers(f0_hz: float, sample_rate_hz: int) -> npt.NDArray[np.float32]:
    """Harmonics ``1, 2, ...`` that fit below the ceiling, ``[harmonic]``."""
    ceiling_hz = min(CEILING_HZ, 0.43 * sample_rate_hz)
    count = int(np.clip(ceiling_hz / f0_hz, 1, TABLE_SAMPLES // 2 - 1))
    return np.arange(1, count + 1, dtype=np.float32)


def tables_from_spectra(spectra: npt.NDArray[np.complexfloating]) -> npt.NDArray[np.float32]:
    """Wavetables ``[row, table_sample]`` from complex harmonic amplitudes ``[row, harmonic]``."""
    bins = np.zeros((spectra.shape[0], TABLE_SAMPLES // 2 + 1), np.complex64)
    bins[:, 1 : spectra.shape[1] + 1] = spectra * (TABLE_SAMPLES / 2)
    return np.asarray(fft.irfft(bins, TABLE_SAMPLES), np.float32)


def phase_of(f0_hz: npt.NDArray[np.floating], sample_rate_hz: int) -> npt.NDArray[np.float64]:
    """Phase in cycles at every sample of a frequency curve, ``[sample]``."""
    return np.cumsum(f0_hz, dtype=np.float64) / sample_rate_hz


def read_row(tables: npt.NDArray[np.float32], row: int, phase: npt.NDArray[np.float64]) -> Signal:
    """Read one wavetable at the given phases, ``[sample]``."""
    return _read(tables[row], 0, phase)


def read_levels(
    tables: npt.NDArray[np.float32],
    levels: npt.NDArray[np.int64],
    phase: npt.NDArray[np.float64],
) -> Signal:
    """Read wavetable ``levels[sample]`` at ``phase[sample]``."""
    return _read(tables.reshape(-1), levels * TABLE_SAMPLES, phase)


def _read(
    flat: npt.NDArray[np.float32],
    base: npt.NDArray[np.int64] | int,
    phase: npt.NDArray[np.float64],
) -> Signal:
    place = phase * TABLE_SAMPLES
    whole = place.astype(np.int64)
    fraction = (place - whole).astype(np.float32)
    mask = TABLE_SAMPLES - 1
    first = flat[base + (whole & mask)]
    second = flat[base + ((whole + 1) & mask)]
    return np.asarray(first + (second - first) * fraction, np.float32)


def scan(
    tables: npt.NDArray[np.float32],
    row_position: Signal,
    phase: npt.NDArray[np.float64],
) -> Signal:
    """Read wavetables while moving from row to row; ``row_position`` is ``[sample]`` in rows."""
    if tables.shape[0] == 1:
        return read_row(tables, 0, phase)
    position = np.clip(row_position, 0, tables.shape[0] - 1.001)
    row = position.astype(np.int64)
    blend = (position - row).astype(np.float32)
    lower = read_levels(tables, row, phase)
    upper = read_levels(tables, row + 1, phase)
    return np.asarray(lower + (upper - lower) * blend, np.float32)
