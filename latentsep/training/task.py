"""What a training trains, as far as the loop is concerned."""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn


class Task(Protocol):
    """A module, its data and its loss.

    Attributes:
        module: what the optimiser changes and the average follows.
        statistics: tensors that ``prepare`` measures and no step changes, by name.
        identity: what a checkpoint must share with the task that goes on from it, as JSON.
    """

    module: nn.Module
    statistics: dict[str, Tensor]
    identity: str

    def prepare(self, rng: np.random.Generator) -> None:
        """Measure the data before the first step."""

    def batch(self, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """Freshly drawn examples, in full precision."""

    def loss(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
        """Loss (a scalar) of a batch."""
