"""Where a sampler stops on its way from the start to the clean latents."""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

Process = Literal["bridge", "diffusion"]
"""What lies between the start and the clean latents: a bridge starts at the mixture, a diffusion at
noise."""


class Level(NamedTuple):
    """Weights of a state: ``alpha * clean + sigma * start + spread * noise``.

    One description for both processes: a bridge's start is known, and its noise vanishes at both
    ends; a diffusion's start is its noise, and ``spread`` is 0.

    ``sigma``, the weight of the start, is what a network is told as its ``sigma``: 1 at the start,
    0 when clean. The time ``t``, which runs from 1 to 0 as well, only says where a schedule puts
    its levels; for a bridge the two are the same.
    """

    alpha: float
    sigma: float
    spread: float = 0.0


Schedule = list[Level]
"""From where a sampler starts, mostly ``Level(0, 1)``, to the clean end, ``Level(1, 0)``."""


def even_schedule(level_at: Callable[[float], Level], steps: int, first_t: float = 1.0) -> Schedule:
    """Levels at evenly spaced times from ``first_t`` down to 0."""
    return [level_at(first_t * (1 - step / steps)) for step in range(steps + 1)]


def bridge_level(t: float, spread: float) -> Level:
    """A Brownian bridge between start and clean latents, at a time in 0..1."""
    return Level(1 - t, t, spread * (t * (1 - t)) ** 0.5)


def cosine_level(t: float) -> Level:
    """A diffusion under the cosine schedule, ``cos(pi t / 2)`` clean and ``sin(pi t / 2)`` noise.

    Their squares sum to 1; at both ends the weights are exactly 0 and 1.
    """
    return Level(math.sin(math.pi / 2 * (1 - t)), math.sin(math.pi / 2 * t))
