"""What a network learns to predict, and how its output becomes a clean estimate."""

import math
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from latentsep.denoisers import Condition, Network
from latentsep.diffusion.schedule import (
    Level,
    Process,
    Schedule,
    bridge_level,
    cosine_level,
    even_schedule,
)

Error = Callable[[Tensor, Tensor], Tensor]
"""Of an estimate and the truth, both ``[item, latent_channel, frame]``: a scalar."""


def mean_square(estimate: Tensor, truth: Tensor) -> Tensor:
    """Mean square of the difference."""
    return (estimate - truth).square().mean()


@runtime_checkable
class Objective(Protocol):
    """Ties a network to a process between the start and the clean latents."""

    process: Process
    max_steps: int
    temperature: float
    """Deviation of the noise that samplers are given; 1 where draws are to be the posterior's."""
    regression_weight: float
    """Of the loss of the network's regression heads, where it has any."""

    def loss(
        self,
        network: Network,
        clean: Tensor,
        mixture: Tensor,
        generator: torch.Generator,
        error: Error = mean_square,
    ) -> Tensor:
        """Training loss (a scalar) on ``[item, latent_channel, frame]`` pairs.

        Clean estimates are measured by ``error``.
        """
        ...

    def clean(self, network: Network, state: Tensor, condition: Condition, level: Level) -> Tensor:
        """Clean estimate of a state at one level, both ``[item, latent_channel, frame]``."""
        ...

    def start(self, mixture: Tensor, noise: Callable[[], Tensor]) -> Tensor:
        """The state a sampler starts from; ``noise`` makes standard normal latents when asked."""
        ...

    def schedule(self, steps: int, first_t: float = 1.0) -> Schedule:
        """Levels for a number of steps, from a time in 0..1 on."""
        ...


class BridgeObjective:
    """Predict the vocals from a state on a Brownian bridge between mixture and vocals.

    A share of the training examples stands at the mixture itself, which is what a single step
    needs; with ``start_share=1`` that is all there is (``RegressionObjective``).

    Args:
        spread: deviation of the bridge's noise, twice that in its middle.
        start_share: share of the examples at the start; the others are spread evenly over time.
        regression_weight: of the loss of the network's regression heads, where it has any.
    """

    process: Process = "bridge"
    max_steps = 64
    temperature = 1.0

    def __init__(
        self, spread: float = 0.15, start_share: float = 0.5, regression_weight: float = 1.0
    ) -> None:
        _check_in(0, math.inf, spread=spread, regression_weight=regression_weight)
        _check_in(0, 1, start_share=start_share)
        self.spread = spread
        self.start_share = start_share
        self.regression_weight = regression_weight

    def loss(
        self,
        network: Network,
        clean: Tensor,
        mixture: Tensor,
        generator: torch.Generator,
        error: Error = mean_square,
    ) -> Tensor:
        """Error of the clean estimate, and of the regression heads' estimates."""
        times = draw_times(len(clean), generator, self.start_share)
        noise = torch.randn(clean.shape, generator=generator).to(clean.device)
        alpha, sigma, spread = _weights([bridge_level(t, self.spread) for t in times], clean)
        state = alpha * clean + sigma * mixture + spread * noise
        condition = network.condition(mixture)
        estimate = network(state, condition, sigma.flatten())
        loss = error(estimate.float(), clean)
        return loss + self.regression_weight * regression_loss(network, condition, clean, error)

    def clean(self, network: Network, state: Tensor, condition: Condition, level: Level) -> Tensor:
        """The network's output as it is."""
        return network(state, condition, _told(level, state))

    def start(self, mixture: Tensor, noise: Callable[[], Tensor]) -> Tensor:
        """The mixture."""
        del noise  # a bridge starts at the mixture
        return mixture

    def schedule(self, steps: int, first_t: float = 1.0) -> Schedule:
        """Evenly spaced levels."""
        return even_schedule(lambda t: bridge_level(t, self.spread), steps, first_t)


class RegressionObjective(BridgeObjective):
    """The one-step case: vocals straight from the mixture."""

    max_steps = 1

    def __init__(self, regression_weight: float = 1.0) -> None:
        super().__init__(spread=0.0, start_share=1.0, regression_weight=regression_weight)


class VelocityObjective:
    """Predict ``v = alpha * noise - sigma * clean`` of a diffusion between noise and vocals.

    Salimans and Ho, ICLR 2022, with the cosine schedule. The mixture is only the condition. At the
    start the state is noise alone and ``v`` is minus the clean latents: the network is a regression
    there, and one step from there gives the mean of what more steps draw from.

    Args:
        start_share: share of the examples at the start; 1 is a regression.
        high_noise: the density of the other examples' times grows as ``t ** high_noise``: 0 is
            even, 1 puts three quarters of them above ``t = 0.5``.
        regression_weight: of the loss of the network's regression heads, where it has any.
        temperature: deviation of the noise that samplers are given; 1 draws from the posterior,
            less draws nearer to its mean (Kingma and Dhariwal, Glow, NeurIPS 2018, section 6, for
            another kind of model). What is learned does not depend on it.
    """

    process: Process = "diffusion"
    max_steps = 1_000

    def __init__(
        self,
        start_share: float = 0.0,
        high_noise: float = 0.0,
        regression_weight: float = 1.0,
        temperature: float = 1.0,
    ) -> None:
        _check_in(0, 1, start_share=start_share)
        _check_in(0, math.inf, high_noise=high_noise, regression_weight=regression_weight)
        if not 0 < temperature <= 1:
            raise ValueError(f"temperature must be above 0 and at most 1, got {temperature}")
        self.start_share = start_share
        self.high_noise = high_noise
        self.regression_weight = regression_weight
        self.temperature = temperature

    def loss(
        self,
        network: Network,
        clean: Tensor,
        mixture: Tensor,
        generator: torch.Generator,
        error: Error = mean_square,
    ) -> Tensor:
        """Mean squared error of ``v``, and the error of the regression heads' estimates."""
        times = draw_times(len(clean), generator, self.start_share, self.high_noise)
        noise = torch.randn(clean.shape, generator=generator).to(clean.device)
        alpha, sigma, _ = _weights([cosine_level(t) for t in times], clean)
        condition = network.condition(mixture)
        v = network(alpha * clean + sigma * noise, condition, sigma.flatten())
        loss = (v.float() - (alpha * noise - sigma * clean)).square().mean()
        return loss + self.regression_weight * regression_loss(network, condition, clean, error)

    def clean(self, network: Network, state: Tensor, condition: Condition, level: Level) -> Tensor:
        """``alpha * state - sigma * v``; minus ``v`` at the start."""
        v = network(state, condition, _told(level, state))
        return level.alpha * state - level.sigma * v.float()

    def start(self, mixture: Tensor, noise: Callable[[], Tensor]) -> Tensor:
        """Noise."""
        del mixture  # it is the network's condition
        return noise()

    def schedule(self, steps: int, first_t: float = 1.0) -> Schedule:
        """Levels at evenly spaced times."""
        return even_schedule(cosine_level, steps, first_t)


def draw_times(
    items: int, generator: torch.Generator, start_share: float, high_noise: float = 0.0
) -> list[float]:
    """Times of training examples: the first ones stand at the start, 1, the others are drawn."""
    times = torch.rand(items, generator=generator)
    if high_noise:
        times = times ** (1 / (1 + high_noise))
    times[: round(items * start_share)] = 1.0
    drawn: list[float] = times.tolist()
    return drawn


def regression_loss(
    network: Network, condition: Condition, clean: Tensor, error: Error = mean_square
) -> Tensor:
    """Loss of a network's regression heads, 0 without any.

    The error averaged over the heads, and the vocals' negative log likelihood, less a constant,
    where the network says how far they may be from the best head's estimate. That teaches the
    variance alone: in faint places as well as in loud ones, which rule the error of ``v``.
    """
    heads = network.regress(condition)
    if not heads:
        return clean.new_zeros(())
    loss = torch.stack([error(head.float(), clean) for head in heads]).mean()
    log_variance = network.log_variance(condition)
    if log_variance is None:
        return loss
    missed = (heads[-1].detach().float() - clean).square()
    return loss + 0.5 * (log_variance + missed * (-log_variance).exp()).mean()


def _weights(levels: list[Level], like: Tensor) -> tuple[Tensor, ...]:
    """Each weight of the levels as ``[item, 1, 1]``."""
    return torch.tensor(levels, device=like.device)[:, :, None, None].unbind(1)


def _told(level: Level, state: Tensor) -> Tensor:
    # One row for all items: a Linear on one row and on many differ in the last bit.
    return torch.full((1,), level.sigma, device=state.device)


def _check_in(least: float, most: float, **options: float) -> None:
    """Refuse options that are no finite numbers of a range."""
    wrong = {
        n: value for n, value in options.items() if not least <= value <= most or value == math.inf
    }
    if wrong:
        raise ValueError(f"{', '.join(wrong)} must lie in {least}..{most}, got {wrong}")


OBJECTIVES: dict[str, Callable[..., Objective]] = {
    "bridge": BridgeObjective,
    "regression": RegressionObjective,
    "v": VelocityObjective,
}
