"""BSSEval version 4: SDR, ISR, SIR and SAR of separated stems, second by second.

The definition is that of museval (Stöter, Liutkus & Ito, "The 2018 signal separation evaluation
campaign", LVA/ICA 2018; after Vincent, Gribonval & Févotte, "Performance measurement in blind audio
source separation", IEEE TASLP 14(4), 2006), computed another way: correlations block by block,
Cholesky instead of a general solver, energies by Parseval's theorem without a way back from the
spectra. ``museval_bsseval`` asks museval itself; the tests hold the two against each other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len, rfft
from scipy.linalg import cho_factor, cho_solve
from scipy.linalg.lapack import dpstrf

FILTER_TAPS = 512
"""Length of the distortion filters, at any sample rate."""
_BLOCK_TAPS = 16
"""Blocks that correlations are computed over, in filter lengths."""

Floats = npt.NDArray[np.float64]
Spectra = npt.NDArray[np.complex128]
Signals = npt.NDArray[np.floating[Any]]
"""Stems of one track, ``[source, channel, sample]``."""


@dataclass(frozen=True)
class BssFrames:
    """Ratios in dB, each ``[source, frame]``, higher is better; NaN where they are undefined.

    Attributes:
        sdr_db: the true stem over all that is wrong (images, as in version 4: no filter is
            forgiven).
        isr_db: the true stem over what a filter on it explains: colouring, wrong level or place.
        sir_db: the filtered true stem over what filters on the other stems explain: bleed.
        sar_db: all that filters on the true stems explain over what is left: artefacts.
    """

    sdr_db: Floats
    isr_db: Floats
    sir_db: Floats
    sar_db: Floats


class BssEval:
    """Scores estimates of one track's stems; what depends on the true stems is computed once.

    For each estimate a filter of ``filter_taps`` on every channel of its own true stem, and one on
    every channel of all true stems, are fitted to it by least squares over the whole signal. The
    ratios are taken over frames without overlap; a rest shorter than a frame counts for the filters
    alone. A frame is undefined where the channels of any true stem or estimate sum to zero in every
    sample; all frames are where one does so everywhere.

    Args:
        references: true stems ``[source, channel, sample]``.
        frame_samples: length of a frame; a shorter signal is one frame.
        filter_taps: length of the filters.

    Raises:
        ValueError: the references are not ``[source, channel, sample]``, or are empty.
    """

    def __init__(
        self, references: Signals, frame_samples: int, filter_taps: int = FILTER_TAPS
    ) -> None:
        if references.ndim != 3 or not references.size:
            raise ValueError(
                f"true stems [source, channel, sample] are wanted, got shape {references.shape}"
            )
        self._references = np.asarray(references, np.float64)
        self._taps = filter_taps
        self._frame_samples = min(frame_samples, references.shape[2])
        channels = references.shape[1]
        gram = gram_matrix(self._references.reshape(-1, references.shape[2]), filter_taps)
        self._solve_all = _solver(gram)
        width = channels * filter_taps
        self._solve_own = [
            _solver(gram[start : start + width, start : start + width])
            for start in range(0, len(gram), width)
        ]

    def __call__(self, estimates: Signals) -> BssFrames:
        """Score estimates of all stems, shaped as the references, in their order.

        Raises:
            ValueError: the shape is another one.
        """
        if estimates.shape != self._references.shape:
            raise ValueError(
                f"estimates must be shaped as the true stems, {self._references.shape}, "
                f"got {estimates.shape}"
            )
        ours = np.asarray(estimates, np.float64)
        n_sources, _, n_samples = estimates.shape
        n_frames = n_samples // self._frame_samples
        frames = np.full((4, n_sources, n_frames), np.nan)
        if not _any_silent(self._references) and not _any_silent(ours):
            measure = self._ratios_of_frames(ours)
            for number in range(n_frames):
                start = number * self._frame_samples
                cut = slice(start, start + self._frame_samples)
                frame = np.stack([self._references[..., cut], ours[..., cut]])
                if not _any_silent(frame):
                    frames[:, :, number] = measure(frame)
        return BssFrames(*frames)

    def _ratios_of_frames(self, estimates: Floats) -> Callable[[Floats], Floats]:
        """Fit the filters to estimates ``[source, channel, sample]``.

        What is returned measures a frame, ``[references and estimates, source, channel, sample]``,
        as ``[ratio, source]``.
        """
        size = next_fast_len(self._frame_samples + self._taps - 1, real=True)
        lagged = self._lagged(estimates)
        own_filters = rfft(self._own_filters(lagged), size)
        all_filters = rfft(self._all_filters(lagged), size)

        def measure(frame: Floats) -> Floats:
            true, estimate = rfft(frame, size)
            own = np.einsum("scdf,scf->sdf", own_filters, true)
            explained = np.einsum("scedf,scf->edf", all_filters, true)
            return np.stack(
                [
                    _ratio_db(true, estimate - true, size),
                    _ratio_db(true, own - true, size),
                    _ratio_db(own, explained - own, size),
                    _ratio_db(explained, estimate - explained, size),
                ]
            )

        return measure

    def _lagged(self, estimates: Floats) -> Floats:
        """Correlations with the references ``[source, channel, tap, estimate, channel]``."""
        n_sources, n_channels, n_samples = estimates.shape
        references, flat = (x.reshape(-1, n_samples) for x in (self._references, estimates))
        causal = correlations(references, flat, self._taps)[..., self._taps - 1 :]
        by_tap = np.moveaxis(causal, -1, 1)
        return by_tap.reshape(n_sources, n_channels, self._taps, n_sources, n_channels)

    def _own_filters(self, lagged: Floats) -> Floats:
        """From each stem's channels to its own estimate's, ``[source, from, to, tap]``."""
        solved = [
            solve(own.reshape(-1, own.shape[-1])).reshape(own.shape)
            for solve, own in zip(
                self._solve_own, (lagged[i, :, :, i] for i in range(len(lagged))), strict=True
            )
        ]
        return np.moveaxis(np.stack(solved), 2, 3)

    def _all_filters(self, lagged: Floats) -> Floats:
        """From all stems to each estimate, ``[source, from, estimate, to, tap]``."""
        rows = lagged.shape[0] * lagged.shape[1] * lagged.shape[2]
        solved = self._solve_all(lagged.reshape(rows, -1)).reshape(lagged.shape)
        return np.moveaxis(solved, 2, 4)


def gram_matrix(signals: Floats, taps: int) -> Floats:
    """Inner products of all signals ``[signal, sample]``, each delayed by 0 up to ``taps - 1``.

    Returns:
        ``[signal * tap, signal * tap]``, symmetric, of Toeplitz blocks.
    """
    lagged = correlations(signals, signals, taps)
    # [signal, signal, tap, tap]: entry (s, t) of a block is the correlation at lag s - t.
    blocks = np.lib.stride_tricks.sliding_window_view(lagged[..., ::-1], taps, axis=-1)[
        ..., ::-1, :
    ]
    size = len(signals) * taps
    return blocks.transpose(0, 2, 1, 3).reshape(size, size)


def correlations(left: Floats, right: Floats, taps: int) -> Floats:
    """``sum_t left[i, t] right[j, t + lag]`` for lags ``-(taps - 1)`` up to ``taps - 1``.

    What lies outside a signal is zero. Blocks keep the transforms small, and memory with them.

    Args:
        left: ``[signal, sample]``.
        right: ``[signal, sample]``, equally long.
        taps: one more than the largest lag.

    Returns:
        ``[left signal, right signal, lag]``.
    """
    reach, size = taps - 1, next_fast_len(_BLOCK_TAPS * taps, real=True)
    block = size - 2 * reach
    padded = np.pad(right, ((0, 0), (reach, reach)))
    total: Spectra = np.zeros((len(left), len(right), size // 2 + 1), np.complex128)
    for start in range(0, left.shape[1], block):
        first = rfft(left[:, start : start + block], size)
        second = rfft(padded[:, start : start + block + 2 * reach], size)
        total += first.conj()[:, None] * second[None]
    result: Floats = irfft(total, size)[..., : 2 * reach + 1]
    return result


def _solver(gram: Floats) -> Callable[[Floats], Floats]:
    """Solves the normal equations for any right side ``[row, column]``."""
    # As little as museval adds; it decides nothing but an all-zero channel.
    regular = gram + np.finfo(float).eps * np.eye(len(gram))
    try:
        factor = cho_factor(regular)
    except np.linalg.LinAlgError:
        return _dependent_solver(regular)
    return lambda right: cho_solve(factor, right)


def _dependent_solver(gram: Floats) -> Callable[[Floats], Floats]:
    """For signals that depend on each other up to rounding, like the equal channels of a mono one.

    Filters are then not unique, but what they explain is: those that nothing new comes of are zero.
    """
    factor, pivots, rank, _ = dpstrf(gram)
    kept = pivots[:rank] - 1

    def solve(right: Floats) -> Floats:
        solved = np.zeros_like(right)
        solved[kept] = cho_solve((factor[:rank, :rank], False), right[kept])
        return solved

    return solve


def _ratio_db(signal: Spectra, error: Spectra, size: int) -> Floats:
    """Energies of ``[source, channel, bin]`` as ratios ``[source]`` in dB."""
    with np.errstate(divide="ignore"):
        return 10 * (np.log10(_energy(signal, size)) - np.log10(_energy(error, size)))


def _energy(spectra: Spectra, size: int) -> Floats:
    """Energy ``[source]`` of real signals with ``size`` samples, but for a factor they share."""
    power = np.square(spectra.real) + np.square(spectra.imag)
    # Bins stand for a negative twin too, but the first, and the last of an even length.
    single = power[..., 0] + (power[..., -1] if size % 2 == 0 else 0)
    return np.asarray((2 * power.sum(axis=-1) - single).sum(axis=-1))


def _any_silent(signals: Floats) -> bool:
    """Whether the channels of any of ``[..., channel, sample]`` sum to zero in every sample."""
    return bool(np.any(np.all(signals.sum(axis=-2) == 0, axis=-1)))
