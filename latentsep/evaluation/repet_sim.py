"""REPET-SIM, the classical baseline: what repeats is accompaniment, the rest is the voice.

After Z. Rafii and B. Pardo, "Music/voice separation using the similarity matrix", ISMIR 2012,
written from the paper's description.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage, signal

from latentsep.audio.waveform import Waveform

Magnitudes = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

_BLOCK_FRAMES = 256
_TINY = 1e-12


@dataclass(frozen=True)
class RepetSimConfig:
    """Settings of the method; those of the paper where it gives them.

    Attributes:
        window_s: length of the analysis window, rounded to a power of two of samples.
        max_repeats: most frames that are taken as repetitions of one frame.
        min_distance_s: least time between two of them.
        min_similarity: least cosine similarity, 0..1.
        high_pass_hz: below this everything is accompaniment.
        similarity_bands: frequency bands on which frames are compared.
    """

    window_s: float = 0.046
    max_repeats: int = 100
    min_distance_s: float = 1.0
    min_similarity: float = 0.0
    high_pass_hz: float = 100.0
    similarity_bands: int = 512

    def window_samples(self, sample_rate_hz: int) -> int:
        """Window length in samples, a power of two, at least 16."""
        return int(max(16, 2 ** round(math.log2(self.window_s * sample_rate_hz))))


DEFAULT_CONFIG = RepetSimConfig()


def separate_repet_sim(
    mixture: Waveform, sample_rate_hz: int, config: RepetSimConfig = DEFAULT_CONFIG
) -> Waveform:
    """Estimate the vocals of a track by REPET-SIM.

    The accompaniment of each frame is the element-wise median of the frames most similar to it,
    never more than the mixture; a soft mask keeps the rest as vocals. Memory grows linearly with
    the track: no matrix of all frames against all frames is held.

    Args:
        mixture: ``[channel, sample]`` float32, any number of channels.
        sample_rate_hz: sample rate.
        config: settings of the method.

    Returns:
        Vocals, ``[channel, sample]`` float32, as long as ``mixture``; the accompaniment is what
        remains of the mixture.

    Raises:
        ValueError: ``mixture`` is not ``[channel, sample]``.
    """
    if mixture.ndim != 2:
        raise ValueError(f"mixture must be [channel, sample], got shape {mixture.shape}")
    window = config.window_samples(sample_rate_hz)
    frames = _analyse(mixture, window)
    frame_rate_hz = sample_rate_hz / (window // 2)
    lowest_bin = int(np.ceil(config.high_pass_hz * window / sample_rate_hz))
    _keep_vocals(frames, config, frame_rate_hz, lowest_bin)
    return _synthesise(frames, window, mixture.shape[1])


def _analyse(mixture: Waveform, window: int) -> npt.NDArray[np.complex64]:
    """Half-overlapping spectra ``[frame, channel, bin]``, one channel at a time to save memory."""
    n_channels, n_samples = mixture.shape
    tail = np.zeros(max(0, window - n_samples), np.float32)
    frames: npt.NDArray[np.complex64] | None = None
    for channel in range(n_channels):
        samples = np.concatenate([mixture[channel], tail])
        spectra = signal.stft(samples, nperseg=window, noverlap=window // 2)[2]
        if frames is None:
            shape = (spectra.shape[1], n_channels, spectra.shape[0])
            frames = np.empty(shape, np.complex64)
        frames[:, channel] = spectra.T
    return np.zeros((0, 0, 0), np.complex64) if frames is None else frames


def _synthesise(frames: npt.NDArray[np.complex64], window: int, n_samples: int) -> Waveform:
    result = np.zeros((frames.shape[1], n_samples), np.float32)
    for channel in range(frames.shape[1]):
        samples = signal.istft(frames[:, channel].T, nperseg=window, noverlap=window // 2)[1]
        result[channel] = samples[:n_samples]
    return result


def _keep_vocals(
    frames: npt.NDArray[np.complex64], config: RepetSimConfig, frame_rate_hz: float, lowest_bin: int
) -> None:
    """Multiply ``frames`` ``[frame, channel, bin]`` by the vocals' mask, in place."""
    magnitudes = np.abs(frames)
    features = _features(magnitudes, config.similarity_bands)
    distance = max(1, round(config.min_distance_s * frame_rate_hz))
    for start in range(0, frames.shape[0], _BLOCK_FRAMES):
        similarity = features[start : start + _BLOCK_FRAMES] @ features.T
        nearest = _nearest_frames(similarity, distance, config)
        for row, index in enumerate(nearest):
            frame = start + row
            repeating = _median(magnitudes[index])
            frames[frame] *= _vocal_mask(magnitudes[frame], repeating, lowest_bin)


def _features(magnitudes: Magnitudes, n_bands: int) -> Magnitudes:
    """Unit vectors whose dot products are the frames' cosine similarities, ``[frame, band]``."""
    spectra = magnitudes.mean(axis=1)
    width = max(1, spectra.shape[1] // n_bands)
    bands = np.add.reduceat(spectra, np.arange(0, spectra.shape[1], width), axis=1)
    norms = np.sqrt(np.sum(bands**2, axis=1, keepdims=True))
    return np.asarray(bands / np.maximum(norms, _TINY), np.float32)


def _nearest_frames(similarity: Magnitudes, distance: int, config: RepetSimConfig) -> list[Indices]:
    """Per row, the frames at the highest local maxima of similarity, most similar first.

    A frame counts when none within ``distance`` frames is more similar.
    """
    peaks = ndimage.maximum_filter1d(similarity, 2 * distance + 1, axis=1, mode="nearest")
    kept = (similarity >= peaks) & (similarity >= config.min_similarity)
    result = []
    for row in range(similarity.shape[0]):
        candidates = np.flatnonzero(kept[row])
        order = np.argsort(-similarity[row, candidates], kind="stable")
        result.append(candidates[order[: config.max_repeats]])
    return result


def _median(stack: Magnitudes) -> Magnitudes:
    """Median over the first axis, the mean of the middle two for an even count."""
    if stack.shape[0] == 0:
        return np.zeros(stack.shape[1:], np.float32)
    ordered = np.sort(np.moveaxis(stack, 0, -1), axis=-1)
    low, high = (stack.shape[0] - 1) // 2, stack.shape[0] // 2
    return np.asarray(0.5 * (ordered[..., low] + ordered[..., high]), np.float32)


def _vocal_mask(magnitude: Magnitudes, repeating: Magnitudes, lowest_bin: int) -> Magnitudes:
    """Share of each bin that does not repeat, ``[channel, bin]``, 0..1."""
    accompaniment = np.minimum(repeating, magnitude)
    mask = 1.0 - (accompaniment + _TINY) / (magnitude + _TINY)
    mask[:, :lowest_bin] = 0.0
    return np.asarray(mask, np.float32)
