"""Blocks of a network over images ``[item, channel, band, frame]``."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from latentsep.denoisers.unet1d import ResidualBlock, step_features, step_mlp


class BandNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each band and frame on its own."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``[item, channel, band, frame]``."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ResidualBlock2d(nn.Module):
    """Two convolutions of 3 bands and 3 frames; a fresh one adds nothing."""

    radius_frames = 2

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm_in = BandNorm(channels)
        self.conv_in = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm_out = BandNorm(channels)
        self.conv_out = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Process ``[item, channel, band, frame]``."""
        hidden = self.conv_in(nn.functional.silu(self.norm_in(x)))
        added: Tensor = self.conv_out(nn.functional.silu(self.norm_out(hidden)))
        return x + added


class Bottom(nn.Module):
    """All bands of a frame together: residual blocks over frames, told the step."""

    def __init__(
        self, wide: int, channels: int, dilations: Sequence[int], step_channels: int
    ) -> None:
        super().__init__()
        self.step_mlp = step_mlp(step_channels)
        self.conv_in = nn.Conv1d(wide, channels, 1)
        self.blocks = nn.ModuleList(
            ResidualBlock(channels, step_channels, dilation) for dilation in dilations
        )
        self.conv_out = nn.Conv1d(channels, wide, 1)
        self.radius_frames = sum(dilation + 1 for dilation in dilations)

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Process ``[item, channel, band, frame]``, told ``sigma`` ``[item]`` or ``[1]``."""
        step = self.step_mlp(step_features(sigma))
        hidden = self.conv_in(x.flatten(1, 2))
        for block in self.blocks:
            hidden = block(hidden, step)
        added: Tensor = self.conv_out(hidden)
        return x + added.reshape(x.shape)


def stack_planes(channels: Tensor, planes: Sequence[int], rows: int) -> Tensor:
    """``[item, channel, frame]`` -> ``[item, plane, row, frame]``, silence above each plane's."""
    return torch.stack(
        [
            nn.functional.pad(plane, (0, 0, 0, rows - plane.shape[1]))
            for plane in torch.split(channels, list(planes), dim=1)
        ],
        dim=1,
    )


def unstack_planes(image: Tensor, planes: Sequence[int]) -> Tensor:
    """``[item, plane, row, frame]`` -> ``[item, channel, frame]``, of each plane so many rows."""
    return torch.cat([image[:, i, :rows] for i, rows in enumerate(planes)], dim=1)


def check_planes(planes: tuple[int, ...], latent_channels: int) -> None:
    """Refuse planes that are not just the latent channels."""
    if not planes or min(planes) < 1 or sum(planes) != latent_channels:
        raise ValueError(
            f"planes must be above 0 and together the codec's {latent_channels} latent channels, "
            f"got {list(planes)}"
        )
