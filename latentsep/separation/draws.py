"""Mean and spread of several draws, whose number costs no memory."""

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor


def mean_and_variance(draws: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and unbiased variance over draws of one shape, element by element; at least one draw.

    The variance is 0 for a single draw.
    """
    drawn = iter(draws)
    first = next(drawn)
    count, total, squares = 1, torch.zeros_like(first) + first, torch.zeros_like(first)
    for draw in drawn:
        count += 1
        total = total + draw
        # Differences to the first draw are as small as the spread: no large squares cancel.
        squares += (draw - first).square()
    mean = total / count
    deviations = (squares - count * (mean - first).square()).clamp(min=0)
    return mean, deviations / max(1, count - 1)


class SpreadLane:
    """Spread of a track's draws, second by second; 16 bytes for each.

    Args:
        hop_samples: from one frame to the next.
        sample_rate_hz: of these samples.
    """

    def __init__(self, hop_samples: int, sample_rate_hz: int) -> None:
        self._hop_samples = hop_samples
        self._rate_hz = sample_rate_hz
        self._frames = 0
        self._energies = np.zeros((2, 0))

    def add(self, energies: Tensor) -> None:
        """Count the next frames.

        Args:
            energies: ``[2, frame]``: of the draws around their mean, and of that mean.
        """
        frames = np.arange(self._frames, self._frames + energies.shape[1])
        seconds = frames * self._hop_samples // self._rate_hz
        self._frames += len(frames)
        so_far = self._energies.shape[1]
        sums = [np.bincount(seconds, row, so_far) for row in energies.double().numpy()]
        counted = np.array(sums, dtype=np.float64)
        counted[:, :so_far] += self._energies
        self._energies = counted

    def total_db(self) -> float | None:
        """Spread over the whole track, see ``spread_db``."""
        return spread_db(*self._energies.sum(axis=1))

    def by_second_db(self, seconds: int) -> list[float | None]:
        """Spread in each second of the track; None where it is undefined, as in silence."""
        missing = seconds - self._energies.shape[1]
        padded = np.pad(self._energies, ((0, 0), (0, max(0, missing))))
        return [spread_db(*energies) for energies in padded.T[:seconds].tolist()]


def spread_db(spread_energy: float, energy: float) -> float | None:
    """Energy of the draws around their mean, by the energy of the mean; None where undefined."""
    if spread_energy > 0 and energy > 0:
        return 10 * math.log10(spread_energy / energy)
    return None
