"""A true stem and what was estimated of it."""

from typing import Any

import numpy as np
import numpy.typing as npt


def check_pair(
    reference: npt.NDArray[np.floating[Any]], estimate: npt.NDArray[np.floating[Any]]
) -> None:
    """Refuse two that are not ``[channel, sample]`` of one shape.

    Raises:
        ValueError: they are not.
    """
    if reference.shape != estimate.shape or reference.ndim != 2:
        raise ValueError(
            f"reference and estimate must both be [channel, sample] of one shape, "
            f"got {reference.shape} and {estimate.shape}"
        )
