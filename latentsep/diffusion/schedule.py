"""Where a sampler stops on its way from the start to the clean latents."""

from typing import NamedTuple


class Level(NamedTuple):
    """Weights of a state: ``alpha * clean + sigma * start + spread * noise``."""

    alpha: float
    sigma: float
    spread: float = 0.0


Schedule = list[Level]
"""From the start, ``Level(0, 1)``, to the clean end, ``Level(1, 0)``."""


def bridge_schedule(steps: int, spread: float) -> Schedule:
    """Evenly spaced levels of a Brownian bridge with noise ``spread``."""
    sigmas = [1 - step / steps for step in range(steps + 1)]
    return [bridge_level(sigma, spread) for sigma in sigmas]


def bridge_level(sigma: float, spread: float) -> Level:
    """One level of a Brownian bridge; its noise vanishes at both ends."""
    return Level(1 - sigma, sigma, spread * (sigma * (1 - sigma)) ** 0.5)
