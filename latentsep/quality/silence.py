"""What a separator says where the true stem is silent: silence has to stay silence."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from latentsep.quality.pair import check_pair

FRAME_S = 0.25
"""Length of the frames that are silent or not."""
SILENT_DB = -60.0
"""A frame is silent this far below the true stem's mean power."""
FLOOR_DB = -120.0
"""Least level told; digital silence has it."""

Signal = npt.NDArray[np.floating[Any]]


def level_in_silence_db(reference: Signal, estimate: Signal, sample_rate_hz: int) -> float | None:
    """Level of a stem where the true one is silent, by the true one's level elsewhere, in dB.

    Lower is better: -120 is silence (or less), 0 as loud as the stem itself. Definition: frames of
    0.25 s in which the true stem lies 60 dB or more below its own mean power are silent; the mean
    power of the estimate in these, over that of the true stem in the others. A rest shorter than a
    frame does not count.

    Undefined where the true stem is silent as a whole, which leaves nothing to compare with, or has
    no silent frame: returns ``None``.

    Args:
        reference: true stem, ``[channel, sample]``.
        estimate: our stem, of the same shape.
        sample_rate_hz: of both.

    Raises:
        ValueError: the two shapes differ, or are not ``[channel, sample]``.
    """
    check_pair(reference, estimate)
    true, ours = (
        _frame_powers(stem, round(FRAME_S * sample_rate_hz)) for stem in (reference, estimate)
    )
    if not true.any():
        return None
    silent = true <= true.mean() * 10 ** (SILENT_DB / 10)
    if not silent.any():
        return None
    ratio = ours[silent].mean() / true[~silent].mean()
    return max(FLOOR_DB, 10 * math.log10(ratio)) if ratio else FLOOR_DB


def _frame_powers(stem: Signal, frame_samples: int) -> npt.NDArray[np.float64]:
    """Mean square ``[frame]`` over the channels."""
    frames = stem.shape[1] // frame_samples
    cut = stem[:, : frames * frame_samples].reshape(len(stem), frames, frame_samples)
    # Channel by channel: a whole song in float64 is large.
    sums = [np.einsum("fs,fs->f", c, c, dtype=np.float64) for c in cut]
    powers: npt.NDArray[np.float64] = np.sum(sums, axis=0) / (len(stem) * frame_samples)
    return powers
