"""Exponential moving average of weights."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Ema:
    """A slowly following copy of a module's parameters, used for everything but the gradient.

    The decay grows with the steps, ``min(decay, (1 + step) / (10 + step))``, so that a short
    training is not held back by its random start.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = [parameter.detach().clone() for parameter in module.parameters()]

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Follow the module's parameters by one step."""
        decay = min(self.decay, (1 + step) / (10 + step))
        current = [parameter.detach() for parameter in module.parameters()]
        torch._foreach_lerp_(self.values, current, 1 - decay)

    @torch.no_grad()
    def copy_to(self, module: nn.Module) -> None:
        """Put the averaged values into a module of the same kind."""
        for parameter, value in zip(module.parameters(), self.values, strict=True):
            parameter.copy_(value)

    @contextmanager
    def in_place_of(self, module: nn.Module) -> Iterator[None]:
        """A module of the same kind with the averaged values, until it gets back its own."""
        own = {name: tensor.clone() for name, tensor in module.state_dict().items()}
        self.copy_to(module)
        module.eval()
        try:
            yield
        finally:
            module.load_state_dict(own)
            module.train()

    def state(self) -> list[Tensor]:
        """The averaged values, for a checkpoint."""
        return self.values

    def restore(self, values: list[Tensor]) -> None:
        """Take the values of a checkpoint."""
        for own, saved in zip(self.values, values, strict=True):
            own.copy_(saved)
