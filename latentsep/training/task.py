"""What a training trains, as far as the loop is concerned."""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from latentsep.audio.waveform import Waveform


class Task(Protocol):
    """A module, its data and its loss.

    Attributes:
        module: what the optimiser changes and the average follows.
        statistics: tensors that ``prepare`` measures and no step changes, by name.
        separates: whether an estimate is to be nearer to the vocals than the mixture is.
        identity: what a checkpoint must share with the task that goes on from it, as JSON.
    """

    module: nn.Module
    statistics: dict[str, Tensor]
    separates: bool
    identity: str

    def prepare(self, rng: np.random.Generator) -> None:
        """Measure the data before the first step."""

    def batch(self, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """Freshly drawn examples, in full precision."""

    def examples(self, vocals: Waveform, accompaniment: Waveform) -> tuple[Tensor, ...]:
        """The batch that stems ``[item, 2, sample]`` make; nothing is drawn."""

    def loss(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
        """Loss (a scalar) of a batch."""

    def estimate(
        self, vocals: Waveform, accompaniment: Waveform, generator: torch.Generator
    ) -> Waveform:
        """Vocals ``[item, 2, sample]`` as they come out of it, at once and without a mask."""

    def settle(self, rng: np.random.Generator) -> None:
        """Measure what averaged weights need anew before they are used."""
