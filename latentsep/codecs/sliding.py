"""Means over time that slide with the frame, so that no value depends on where a window starts."""

from typing import Any

import torch
from torch import Tensor, nn


def sliding_mean(values: Tensor, samples_per_frame: int, radius_frames: int) -> Tensor:
    """Mean ``[item, 1, frame]`` of ``[item, 1, sample]`` under a triangle around each frame.

    Beyond the ends lies nothing: what there is counts for more.
    """
    frames = nn.functional.avg_pool1d(values, samples_per_frame, ceil_mode=True)
    rising = torch.arange(1, radius_frames + 2, device=values.device, dtype=values.dtype)
    triangle = torch.cat([rising, rising[:-1].flip(0)])[None, None]
    total = nn.functional.conv1d(frames, triangle, padding=radius_frames)
    return total / nn.functional.conv1d(torch.ones_like(frames), triangle, padding=radius_frames)


def per_sample(frames: Tensor, samples_per_frame: int) -> Tensor:
    """``[item, 1, frame]`` -> ``[item, 1, sample]``, straight lines between frames' centres."""
    return nn.functional.interpolate(frames, scale_factor=float(samples_per_frame), mode="linear")


class SlidingGroupNorm(nn.Module):
    """``GroupNorm`` of one group whose mean and variance are those around each frame.

    Args:
        trained: the layer that it takes the place of, weights included.
        samples_per_frame: how many time steps of this layer make a frame of the codec.
        radius_frames: frames on either side that mean and variance are taken over.
    """

    def __init__(self, trained: nn.GroupNorm, samples_per_frame: int, radius_frames: int) -> None:
        super().__init__()
        self.weight = trained.weight
        self.bias = trained.bias
        self.eps = trained.eps
        self.samples_per_frame = samples_per_frame
        self.radius_frames = radius_frames

    def forward(self, x: Tensor) -> Tensor:
        """``[item, channel, sample]`` -> the same, normalised over channels and time."""
        mean = self._around(x)
        variance = (self._around(x.square()) - mean.square()).clamp(min=0)
        gain = (variance + self.eps).rsqrt()
        normalised = (x - self._spread(mean, x)) * self._spread(gain, x)
        return normalised * self.weight[:, None] + self.bias[:, None]

    def _around(self, x: Tensor) -> Tensor:
        over_channels = x.mean(dim=1, keepdim=True)
        return sliding_mean(over_channels, self.samples_per_frame, self.radius_frames)

    def _spread(self, frames: Tensor, x: Tensor) -> Tensor:
        return per_sample(frames, self.samples_per_frame)[:, :, : x.shape[2]]


def slide_norms(network: nn.Module, samples_per_frame: int, radius_frames: int) -> None:
    """Let every normalisation over time in a stack of strided convolutions slide.

    Args:
        network: its layers stand in the order of the way through; a normalised convolution is a
            layer with ``conv`` and ``norm``.
        samples_per_frame: of what goes in: the codec's hop for an encoder, 1 for a decoder.
        radius_frames: frames on either side that mean and variance are taken over.
    """
    layers: list[Any] = list(network.modules())
    for layer in layers:
        if not isinstance(getattr(layer, "norm", None), nn.GroupNorm):
            continue
        stride, grows = layer.conv.stride[0], isinstance(layer.conv, nn.ConvTranspose1d)
        samples_per_frame = samples_per_frame * stride if grows else samples_per_frame // stride
        layer.norm = SlidingGroupNorm(layer.norm, samples_per_frame, radius_frames)
