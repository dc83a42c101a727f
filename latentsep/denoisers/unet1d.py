"""A small dense 1-D U-Net over time, local on purpose.

Everything is a convolution or a normalisation over the channels of one frame, so an output frame
depends on ``receptive_radius_frames`` on either side and on nothing else: chunks with that much
discarded context join without seams. A GroupNorm over time would see the whole chunk.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from latentsep.denoisers.base import Condition

STEP_FEATURES = 64


class FrameNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each frame on its own.

    It learns as fast as a GroupNorm over time; dividing by the root mean square alone, without
    removing the mean, stalled for a thousand steps.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``[item, channel, frame]``."""
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class ResidualBlock(nn.Module):
    """Two convolutions, the first dilated, modulated (FiLM) by the step embedding ``[1, step]``."""

    def __init__(
        self,
        channels: int,
        step_channels: int,
        dilation: int = 1,
        norm: Callable[[int], nn.Module] = FrameNorm,
    ) -> None:
        super().__init__()
        self.radius_frames = dilation + 1
        self.norm_in = norm(channels)
        self.conv_in = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.norm_out = norm(channels)
        self.film = nn.Linear(step_channels, 2 * channels)
        self.conv_out = nn.Conv1d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)
        nn.init.zeros_(self.conv_out.weight)

    def forward(self, x: Tensor, step: Tensor) -> Tensor:
        """Process ``x`` ``[item, channel, frame]``, told ``step`` ``[1 or item, step_channel]``."""
        scale, shift = self.film(step)[:, :, None].chunk(2, dim=1)
        hidden = self.conv_in(nn.functional.silu(self.norm_in(x)))
        hidden = self.norm_out(hidden) * (1 + scale) + shift
        added: Tensor = self.conv_out(nn.functional.silu(hidden))
        return x + added


class FrameUNet(nn.Module):
    """The U-Net itself: ``[item, input, frame]`` and a step to ``[item, output, frame]``.

    Args:
        inputs, outputs: channels on either end; the last convolution starts at zero.
        widths: channels of each level; each level after the first halves the frame rate.
        blocks: residual blocks per level and direction.
        bottom_dilations: dilations of the blocks at the deepest level.
        step_channels: of the step embedding.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        widths: Sequence[int],
        blocks: int,
        bottom_dilations: Sequence[int],
        step_channels: int,
    ) -> None:
        super().__init__()
        if not widths or min([*widths, *bottom_dilations, step_channels]) < 1 or blocks < 0:
            raise ValueError(
                "widths, bottom_dilations and step_channels must be above 0, with at least one "
                f"width, and blocks 0 or more; got widths={list(widths)}, blocks={blocks}, "
                f"bottom_dilations={list(bottom_dilations)}, step_channels={step_channels}"
            )
        self.stride_frames = 2 ** (len(widths) - 1)
        self.step_mlp = step_mlp(step_channels)
        fine_levels = widths[:-1]
        self.conv_in = nn.Conv1d(inputs, widths[0], 3, padding=1)
        self.down = nn.ModuleList(
            _level(width, step_channels, [1] * blocks) for width in widths[:-1]
        )
        self.shrink = nn.ModuleList(
            nn.Conv1d(fine, coarse, 2, stride=2) for fine, coarse in pairwise(widths)
        )
        self.bottom = _level(widths[-1], step_channels, bottom_dilations)
        self.grow = nn.ModuleList(
            nn.ConvTranspose1d(coarse, fine, 2, stride=2) for fine, coarse in pairwise(widths)
        )
        self.merge = nn.ModuleList(nn.Conv1d(2 * width, width, 1) for width in fine_levels)
        self.up = nn.ModuleList(_level(width, step_channels, [1] * blocks) for width in fine_levels)
        self.norm_out = FrameNorm(widths[0])
        self.conv_out = nn.Conv1d(widths[0], outputs, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.constant_(self.conv_out.bias, 0.0)  # type: ignore[arg-type]
        self.receptive_radius_frames = self._receptive_radius_frames()

    def run(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Process ``[item, input, frame]``, told ``sigma`` ``[item]`` or ``[1]``."""
        step = self.step_mlp(step_features(sigma))
        x = self.conv_in(x)
        skips = []
        for level, shrink in zip(self.down, self.shrink, strict=True):
            x = _run(level, x, step)
            skips.append(x)
            x = shrink(x)
        x = _run(self.bottom, x, step)
        for depth in reversed(range(len(skips))):
            x = self.merge[depth](torch.cat([self.grow[depth](x), skips[depth]], dim=1))
            x = _run(self.up[depth], x, step)
        output: Tensor = self.conv_out(nn.functional.silu(self.norm_out(x)))
        return output.float()

    def _receptive_radius_frames(self) -> int:
        radius: int = 2  # the first and the last convolution
        for depth, level in enumerate([*self.down, self.bottom]):
            passes = 1 if level is self.bottom else 2  # on the way down, and again on the way up
            level_radius: int = sum(block.radius_frames for block in level)
            radius += passes * 2**depth * level_radius
        # Each halving looks one fine frame ahead, each doubling fills from one coarse frame.
        return int(radius + 2 * (self.stride_frames - 1))


class SkipHead:
    """What local networks share whose one head is laid over the state or the mixture."""

    local = True

    def condition(self, mixture: Tensor) -> Condition:
        """The mixture as it is."""
        return (mixture,)

    def regress(self, condition: Condition) -> tuple[Tensor, ...]:
        """Nothing: there are no heads beside the one."""
        del condition
        return ()

    def log_variance(self, condition: Condition) -> None:
        """There is no head that it could be of."""
        del condition


class UNet1d(SkipHead, FrameUNet):
    """Concatenation-conditioned U-Net with a skip head.

    The head returns ``sigmoid(mask) * skipped + residual``. For a bridge the state is skipped: at
    its start that is the mixture, so the net learns a mask before it learns to invent; further on
    the state is nearly clean and only has to be passed. For ``v`` it is ``-sigma * mixture``, which
    at the start, where the clean estimate is ``-v``, is the same mask.

    Args:
        latent_channels: channels of state, mixture and output.
        widths, blocks, bottom_dilations, step_channels: see ``FrameUNet``.
        skip: what the head's mask is laid over.
    """

    def __init__(
        self,
        latent_channels: int,
        widths: Sequence[int] = (256, 320, 384),
        blocks: int = 2,
        bottom_dilations: Sequence[int] = (1, 2, 4, 8),
        step_channels: int = 128,
        skip: Literal["state", "mixture"] = "state",
    ) -> None:
        check_skip(skip)
        both = 2 * latent_channels
        super().__init__(both, both, widths, blocks, bottom_dilations, step_channels)
        self.skip = skip

    def forward(self, state: Tensor, condition: Condition, sigma: Tensor) -> Tensor:
        """Estimate as ``Network`` says."""
        (mixture,) = condition
        output = self.run(torch.cat([state, mixture], dim=1), sigma)
        return lay_over(skipped(self.skip, state, mixture, sigma), output)


def check_skip(skip: str) -> None:
    """Refuse what no head can be laid over."""
    if skip not in ("state", "mixture"):
        raise ValueError(f"skip must be 'state' or 'mixture', got {skip!r}")


def skipped(
    skip: Literal["state", "mixture"], state: Tensor, mixture: Tensor, sigma: Tensor
) -> Tensor:
    """What passes a network by, shaped as the state."""
    return state if skip == "state" else -sigma[:, None, None] * mixture


def lay_over(passed: Tensor, output: Tensor) -> Tensor:
    """Mask what passed by, and add the residual, with the two halves of a network's output."""
    mask, residual = output.chunk(2, dim=1)
    return torch.sigmoid(mask).mul(passed).add(residual)


def step_mlp(step_channels: int) -> nn.Sequential:
    """Makes an embedding ``[item, step_channels]`` of ``step_features``."""
    return nn.Sequential(
        nn.Linear(STEP_FEATURES, step_channels),
        nn.SiLU(),
        nn.Linear(step_channels, step_channels),
    )


def step_features(sigma: Tensor) -> Tensor:
    """Sines and cosines ``[item, STEP_FEATURES]`` of ``sigma`` ``[item]`` in 0..1."""
    periods = torch.arange(STEP_FEATURES // 2, device=sigma.device, dtype=torch.float32)
    angles = sigma.float()[:, None] * math.pi * 2.0 ** (periods / 4)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _level(width: int, step_channels: int, dilations: Sequence[int]) -> nn.ModuleList:
    return nn.ModuleList(ResidualBlock(width, step_channels, dilation) for dilation in dilations)


def _run(level: nn.Module, x: Tensor, step: Tensor) -> Tensor:
    for block in level.children():
        x = block(x, step)
    return x
