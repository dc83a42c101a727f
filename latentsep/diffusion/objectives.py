"""What a network learns to predict, and how its output becomes a clean estimate."""

import math
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from latentsep.denoisers import Condition, Network
from latentsep.diffusion.schedule import Level, Schedule, bridge_level, bridge_schedule


@runtime_checkable
class Objective(Protocol):
    """Ties a network to a process between the start and the clean latents."""

    max_steps: int

    def loss(
        self, network: Network, clean: Tensor, mixture: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Training loss (a scalar) on ``[item, latent_channel, frame]`` pairs."""
        ...

    def clean(self, network: Network, state: Tensor, condition: Condition, level: Level) -> Tensor:
        """Clean estimate of a state at one level, both ``[item, latent_channel, frame]``."""
        ...

    def start(self, mixture: Tensor, noise: Callable[[], Tensor]) -> Tensor:
        """The state a sampler starts from; ``noise`` makes standard normal latents when asked."""
        ...

    def schedule(self, steps: int) -> Schedule:
        """Levels for a number of steps."""
        ...


class BridgeObjective:
    """Predict the vocals from a state on a Brownian bridge between mixture and vocals.

    A share of the training examples stands at the mixture itself, which is what a single step
    needs; with ``start_share=1`` that is all there is (``RegressionObjective``).
    """

    max_steps = 64

    def __init__(self, spread: float = 0.15, start_share: float = 0.5) -> None:
        if not (0 <= spread < math.inf and 0 <= start_share <= 1):
            raise ValueError(
                f"spread must be 0 or more and start_share lie in 0..1, "
                f"got spread={spread}, start_share={start_share}"
            )
        self.spread = spread
        self.start_share = start_share

    def loss(
        self, network: Network, clean: Tensor, mixture: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Mean squared error of the clean estimate."""
        items = clean.shape[0]
        sigma = torch.rand(items, generator=generator)
        sigma[: round(items * self.start_share)] = 1.0
        noise = torch.randn(clean.shape, generator=generator)
        weights = torch.tensor([bridge_level(s, self.spread) for s in sigma.tolist()])
        alpha, beta, spread = (w[:, None, None].to(clean.device) for w in weights.unbind(1))
        state = alpha * clean + beta * mixture + spread * noise.to(clean.device)
        estimate = network(state, network.condition(mixture), sigma.to(clean.device))
        return (estimate.float() - clean).square().mean()

    def clean(self, network: Network, state: Tensor, condition: Condition, level: Level) -> Tensor:
        """The network's output as it is."""
        # One row for all items: a Linear on one row and on many differ in the last bit.
        sigma = torch.full((1,), level.sigma, device=state.device)
        return network(state, condition, sigma)

    def start(self, mixture: Tensor, noise: Callable[[], Tensor]) -> Tensor:
        """The mixture."""
        del noise  # a bridge starts at the mixture
        return mixture

    def schedule(self, steps: int) -> Schedule:
        """Evenly spaced levels."""
        return bridge_schedule(steps, self.spread)


class RegressionObjective(BridgeObjective):
    """The one-step case: vocals straight from the mixture."""

    max_steps = 1

    def __init__(self) -> None:
        super().__init__(spread=0.0, start_share=1.0)


OBJECTIVES: dict[str, Callable[..., Objective]] = {
    "bridge": BridgeObjective,
    "regression": RegressionObjective,
}
