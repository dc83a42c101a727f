"""Multi-resolution STFT distance of a stem to the true one: what differs in magnitudes alone."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.fft import rfft

from latentsep.quality.pair import check_pair

FFT_SAMPLES = (512, 1024, 2048)
"""Window lengths, and lengths of the transforms."""
OVERLAP = 4
"""Windows that cover each sample: hops of 128, 256 and 512 samples."""
POWER_FLOOR = 1e-7
"""Least power of a bin, under a Hann window and with full scale at 1."""
_BLOCK_FRAMES = 1024

Signal = npt.NDArray[np.floating[Any]]


def mr_stft_distance(reference: Signal, estimate: Signal) -> float | None:
    """Multi-resolution STFT distance of one stem over one whole track. Lower is better, 0 is equal.

    Definition, after Yamamoto et al., "Parallel WaveGAN", ICASSP 2020, equations 4 to 6: the mean
    over ``FFT_SAMPLES`` of ``|| |R| - |E| || / || |R| ||``, the spectral convergence, plus the mean
    of ``| ln |R| - ln |E| |``, where ``|R|`` and ``|E|`` are all magnitudes of the true and of the
    estimated stem, of all channels, frames and bins, the norm is Frobenius', and powers below
    ``POWER_FLOOR`` count as that. Hann windows of the transform's length, a quarter of it apart;
    none reaches over the ends, and a last rest is left out; a shorter signal is filled with zeros.

    Phases do not count, so a generated stem that sounds right can be near while its SDR is
    negative. It depends on the level through the floor, and on the sample rate. It is no figure of
    another toolbox, whose windows, hops and floors differ.

    Undefined for a silent reference: returns ``None``.

    Args:
        reference: true stem, ``[channel, sample]``.
        estimate: our stem, of the same shape.

    Raises:
        ValueError: the two shapes differ, or are not ``[channel, sample]``.
    """
    check_pair(reference, estimate)
    if not reference.any():
        return None
    return float(np.mean([_distance(reference, estimate, samples) for samples in FFT_SAMPLES]))


def _distance(reference: Signal, estimate: Signal, fft_samples: int) -> float:
    """Spectral convergence and mean difference of logarithms at one resolution."""
    error = energy = log_difference = 0.0
    bins = 0
    for channel in range(len(reference)):
        frames = zip(
            _framed(reference[channel], fft_samples),
            _framed(estimate[channel], fft_samples),
            strict=True,
        )
        for true, ours in frames:
            true_power, our_power = _floored_power(true), _floored_power(ours)
            product = np.sqrt(true_power * our_power)
            energy += float(true_power.sum(dtype=np.float64))
            error += float((true_power + our_power - 2 * product).sum(dtype=np.float64))
            # ln |R| - ln |E| is half of that of the powers.
            logarithms = np.abs(np.log(true_power / our_power))
            log_difference += float(logarithms.sum(dtype=np.float64)) / 2
            bins += true_power.size
    return float(np.sqrt(max(error, 0.0) / energy)) + log_difference / bins


def _framed(signal: Signal, fft_samples: int) -> "list[npt.NDArray[np.floating[Any]]]":
    """Views of blocks of frames ``[frame, sample]``."""
    missing = fft_samples - len(signal)
    padded = np.pad(signal, (0, missing)) if missing > 0 else signal
    windows = np.lib.stride_tricks.sliding_window_view(padded, fft_samples)
    windows = windows[:: fft_samples // OVERLAP]
    return [windows[i : i + _BLOCK_FRAMES] for i in range(0, len(windows), _BLOCK_FRAMES)]


def _floored_power(frames: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    """Power ``[frame, bin]`` under a periodic Hann window."""
    window = np.hanning(frames.shape[1] + 1)[:-1].astype(frames.dtype)
    spectra = rfft(frames * window, axis=-1)
    power: npt.NDArray[np.floating[Any]] = np.square(spectra.real)
    power += np.square(spectra.imag)
    np.maximum(power, frames.dtype.type(POWER_FLOOR), out=power)
    return power
