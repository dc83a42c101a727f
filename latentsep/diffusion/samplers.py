"""Samplers: one function each, one signature, from the start to the clean latents.

A sampler calls ``denoise(state, level)``, which returns the clean estimate; it knows neither the
network nor what the network was trained to predict. ``noise(step)`` gives standard normal noise of
the state's shape; the sampler itself draws nothing. ``start`` is the state at the schedule's first
level, and the last step returns the last clean estimate as it is.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from latentsep.diffusion.schedule import Level, Process, Schedule

Denoise = Callable[[Tensor, Level], Tensor]
Noise = Callable[[int], Tensor]
Sampler = Callable[[Denoise, Tensor, Schedule, Noise], Tensor]

START_STEP = 2**64 - 1
"""What ``noise`` is asked for where a start is noise: no step of any schedule has this number, so
the start is independent of all later noise, and the same however many steps follow."""


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


def euler(denoise: Denoise, start: Tensor, schedule: Schedule, noise: Noise) -> Tensor:
    """Follow the probability-flow ODE of a bridge or a diffusion.

    What a state holds beside the clean estimate is carried on to the next level. Without spread
    that is the start, and the step is Euler's in ``sigma / alpha``, which is DDIM. A bridge's start
    is known, and only its noise is carried on; the first step draws it, since the start holds none
    (Zheng et al., Diffusion Bridge Implicit Models, ICLR 2025).
    """
    state = start
    for step, (level, following) in enumerate(pairwise(schedule)):
        clean = denoise(state, level)
        if following.spread == 0:
            rest = following.sigma * _start_in(state, clean, level)
        elif level.spread == 0:
            rest = following.sigma * start + following.spread * noise(step)
        else:
            held = (state - level.alpha * clean - level.sigma * start) / level.spread
            rest = following.sigma * start + following.spread * held
        state = following.alpha * clean + rest
    return state


def ddim(denoise: Denoise, start: Tensor, schedule: Schedule, noise: Noise) -> Tensor:
    """Keep the noise that each state holds (Song, Meng and Ermon, ICLR 2021, eq. 12, no noise)."""
    del noise  # the start is all the noise there is
    state = start
    for level, following in pairwise(schedule):
        clean = denoise(state, level)
        state = following.alpha * clean + following.sigma * _start_in(state, clean, level)
    return state


def ddim_refined(
    denoise: Denoise, start: Tensor, schedule: Schedule, noise: Noise, *, eta: Tensor
) -> Tensor:
    """DDIM that replaces a share of the noise by fresh noise, channel by channel.

    Song, Meng and Ermon, ICLR 2021, eq. 16, with an ``eta`` for each latent channel
    ``[latent_channel, 1]``: 0 is DDIM, 1 as much fresh noise as in DDPM.
    """
    state = start
    for step, (level, following) in enumerate(pairwise(schedule)):
        clean = denoise(state, level)
        if following.sigma == 0:
            return clean
        fresh = eta * math.sqrt(1 - (level.alpha / following.alpha) ** 2) / level.sigma
        held = (1 - fresh.square()).sqrt() * _start_in(state, clean, level)
        state = following.alpha * clean + following.sigma * (held + fresh * noise(step))
    return state


def dpmpp_2m(denoise: Denoise, start: Tensor, schedule: Schedule, noise: Noise) -> Tensor:
    """DPM-Solver++(2M): DDIM along a clean estimate extrapolated from the last two.

    Lu et al., DPM-Solver++, 2022, algorithm 2, with data prediction. The log-SNR is infinite at
    both ends: the first step, the one after it and the last are those of DDIM.
    """
    del noise  # the start is all the noise there is
    clean: Tensor | None = None
    state, stride = start, math.inf
    for level, following in pairwise(schedule):
        before, stride_before = clean, stride
        clean = denoise(state, level)
        stride = _log_snr(following) - _log_snr(level)
        ahead = clean
        if before is not None and math.isfinite(stride):
            ahead = clean + stride / (2 * stride_before) * (clean - before)
        state = following.alpha * ahead + following.sigma * _start_in(state, ahead, level)
    return state


def _start_in(state: Tensor, clean: Tensor, level: Level) -> Tensor:
    """The start that a state without spread holds if a clean estimate is right."""
    return (state - level.alpha * clean) / level.sigma


def _log_snr(level: Level) -> float:
    """``log(alpha / sigma)``, half the logarithm of the signal-to-noise ratio."""
    if level.alpha == 0:
        return -math.inf
    return math.log(level.alpha / level.sigma) if level.sigma else math.inf


@dataclass(frozen=True)
class SamplerKind:
    """A sampler of the registry.

    Attributes:
        build: makes it of ``band_centres_hz`` ``[latent_channel]``, where the codec's channels lie,
            and of its options by name; raises TypeError or ValueError where they do not fit.
        processes: what it can walk.
    """

    build: Callable[..., Sampler]
    processes: tuple[Process, ...]

    def nfe(self, steps: int) -> int:
        """Calls of ``denoise`` for a number of steps: one each, for all there are."""
        return steps


def _without_options(sampler: Sampler) -> Callable[[Tensor], Sampler]:
    def build(band_centres_hz: Tensor) -> Sampler:
        del band_centres_hz
        return sampler

    return build


def _refined(band_centres_hz: Tensor, eta: float = 0.4, cutoff_hz: float = 5_000.0) -> Sampler:
    """Fresh noise for the channels from ``cutoff_hz`` on.

    The defaults were the best ones at 20 and 50 steps in arXiv 2511.21342, table 2.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must lie in 0..1, got {eta}")
    highest_hz = float(band_centres_hz.max())
    if not 0 <= cutoff_hz <= highest_hz:
        raise ValueError(
            f"cutoff_hz must lie in 0..{highest_hz:.0f}, the codec's highest band, got {cutoff_hz}"
        )
    etas = torch.where(band_centres_hz >= cutoff_hz, eta, 0.0)[:, None]
    return partial(ddim_refined, eta=etas)


SAMPLERS: dict[str, SamplerKind] = {
    "bridge": SamplerKind(_without_options(bridge), ("bridge",)),
    "ddim": SamplerKind(_without_options(ddim), ("diffusion",)),
    "ddim_refined": SamplerKind(_refined, ("diffusion",)),
    "dpmpp_2m": SamplerKind(_without_options(dpmpp_2m), ("diffusion",)),
    "euler": SamplerKind(_without_options(euler), ("bridge", "diffusion")),
}
