"""Samplers: one function each, one signature, from the start to the clean latents.

A sampler calls ``denoise(state, level)``, which returns the clean estimate; it knows neither the
network nor what the network was trained to predict. ``noise(step)`` gives standard normal noise of
the state's shape; the sampler itself draws nothing.
"""

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor

from latentsep.diffusion.schedule import Level, Schedule

Denoise = Callable[[Tensor, Level], Tensor]
Noise = Callable[[int], Tensor]
Sampler = Callable[[Denoise, Tensor, Schedule, Noise], Tensor]


def bridge(denoise: Denoise, start: Tensor, schedule: Schedule, noise: Noise) -> Tensor:
    """Walk a Brownian bridge whose far end, ``start``, is known.

    At every level the state is redrawn from the bridge between the newest clean estimate and the
    start. With one step this is a plain regression: the estimate from ``start`` itself.
    """
    state = start
    for step, (level, following) in enumerate(pairwise(schedule)):
        clean = denoise(state, level)
        state = following.alpha * clean + following.sigma * start
        if following.spread > 0:
            state = state + following.spread * noise(step)
    return state


SAMPLERS: dict[str, Sampler] = {"bridge": bridge}
