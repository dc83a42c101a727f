"""A posterior of which everything is known: clean latents are N(mean, variance) given the mixture.

Every step of a sampler is linear in its state, in the noise it draws and in this denoiser. So a
random state can be followed exactly, without drawing anything, as coefficients
``[1, latent_channel, 2 + steps]``: its mean, then its share of the noise at the start and in each
step.
"""

import math

import torch

from latentsep.diffusion.samplers import SAMPLERS
from latentsep.diffusion.schedule import bridge_level, cosine_level, even_schedule

SPREAD = 0.3
MIXTURE = -1.0
LEVEL_AT = {"bridge": lambda t: bridge_level(t, SPREAD), "diffusion": cosine_level}
FULL_BAND = torch.tensor([math.inf])


class GaussianPosterior:
    """Clean latents of one mixture, one variance for each latent channel."""

    def __init__(self, process, mean=2.0, variances=(0.25,)):
        self.process = process
        self.mean = mean
        self.variance = torch.tensor(variances, dtype=torch.float64)[:, None]

    def denoise(self, state, level):
        """The expected clean latents given a state, by Bayes' rule."""
        known = level.alpha * self.mean + (level.sigma * MIXTURE if self._is_bridge else 0)
        unknown = level.spread if self._is_bridge else level.sigma
        power = level.alpha**2 * self.variance + unknown**2
        gain = level.alpha * self.variance / power.clamp(min=1e-300)
        return _constant(self.mean, state) + gain * (state - _constant(known, state))

    def start(self, steps):
        """The mixture, or noise."""
        state = torch.zeros(1, len(self.variance), 2 + steps, dtype=torch.float64)
        return _constant(MIXTURE, state) if self._is_bridge else _share(1, state)

    def drawn(self, sampler, schedule, start=None):
        """Mean and deviation of what a sampler draws, ``[latent_channel]`` each."""
        start = self.start(len(schedule) - 1) if start is None else start
        drawn = sampler(self.denoise, start, schedule, lambda step: _share(2 + step, start))[0]
        return drawn[:, 0], drawn[:, 1:].square().sum(dim=1).sqrt()

    def deviation_error(self, sampler, steps):
        """Deviation of the samples by that of the posterior, less 1, ``[latent_channel]``."""
        schedule = even_schedule(LEVEL_AT[self.process], steps)
        return self.drawn(sampler, schedule)[1] / self.variance[:, 0].sqrt() - 1

    @property
    def _is_bridge(self):
        return self.process == "bridge"


def full_band(name, **options):
    """A sampler whose channels all hold the full band."""
    return SAMPLERS[name].build(FULL_BAND, **options)


def _constant(value, like):
    return value * _share(0, like)


def _share(place, like):
    """One of the coefficients alone, shaped as a state."""
    state = torch.zeros_like(like)
    state[:, :, place] = 1
    return state
