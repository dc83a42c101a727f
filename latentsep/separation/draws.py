"""Mean and spread of several draws, whose number costs no memory."""

import math
from collections.abc import Iterable

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


def spread_db(spread_energy: float, energy: float) -> float | None:
    """Energy of the draws around their mean, by the energy of the mean; None where undefined."""
    if spread_energy > 0 and energy > 0:
        return 10 * math.log10(spread_energy / energy)
    return None
