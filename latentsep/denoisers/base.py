"""What every network offers to an objective."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor

Condition = Sequence[Tensor]
"""What a network makes of the mixture's latents, each ``[item, channel, frame]`` at a rate of its
own. It does not depend on the state, so that one serves all steps and draws."""


@runtime_checkable
class Network(Protocol):
    """Estimates the vocals' latents from a noisy state and the mixture's latents.

    A local network is a function of ``receptive_radius_frames`` on either side and moves with its
    input by multiples of ``stride_frames``; one that is not sees the whole input, by attention or
    by statistics over time, and its radius is how much context a chunk is given. Inputs have a
    multiple of ``stride_frames`` frames.
    """

    local: bool
    receptive_radius_frames: int
    stride_frames: int

    def condition(self, mixture: Tensor) -> Condition:
        """What the network needs of the mixture ``[item, latent_channel, frame]``."""
        ...

    def regress(self, condition: Condition) -> tuple[Tensor, ...]:
        """Clean estimates of regression heads, the best one last; none where there are no heads.

        Each is ``[item, latent_channel, frame]``.
        """
        ...

    def log_variance(self, condition: Condition) -> Tensor | None:
        """How far the vocals may be from the best head's estimate, shaped as that.

        None where a network does not say.
        """
        ...

    def __call__(self, state: Tensor, condition: Condition, sigma: Tensor) -> Tensor:
        """What the objective asks for, ``[item, latent_channel, frame]``.

        Args:
            state: where the sampler is, between its start and the clean latents; shaped as the
                result.
            condition: of the same items and frames.
            sigma: ``[item]`` or ``[1]``, how far the state is from clean: 1 at the start, 0 when
                clean.
        """
        ...
