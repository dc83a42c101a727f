"""What every network offers to an objective."""

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Network(Protocol):
    """Estimates the vocals' latents from a noisy state and the mixture's latents.

    A local network is a function of ``receptive_radius_frames`` on either side and moves with its
    input by multiples of ``stride_frames``; inputs have a multiple of ``stride_frames`` frames.
    """

    receptive_radius_frames: int
    stride_frames: int

    def __call__(self, state: Tensor, mixture: Tensor, sigma: Tensor) -> Tensor:
        """Estimate from ``state`` and ``mixture``, both ``[item, latent_channel, frame]``.

        Args:
            state: where the sampler is, between its start and the clean latents.
            mixture: the condition.
            sigma: ``[item]``, how far the state is from clean: 1 at the start, 0 when clean.
        """
        ...
