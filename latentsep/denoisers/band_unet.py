"""A local U-Net that is convolutional over frequency as well as over frames.

Latents whose channels are bins of spectra, or bands of a codec's planes, are an image: a melody
that moves up moves in it, and a kernel that knows one note knows them all. It learns faster than a
network for which each bin is a channel of its own; docs/training.md has both.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from latentsep.denoisers.band_blocks import BandNorm, Bottom, ResidualBlock2d, stack_planes

ENDS = ("stem.", "head.")
"""Of the names of what depends on the planes."""


class BandUNet(nn.Module):
    """The U-Net itself: planes ``[item, plane, row, frame]`` and a step to other planes.

    Args:
        inputs, outputs: planes on either end; the last convolution starts at zero.
        rows: of the planes, that is bins of spectra or bands of latents.
        band_bins: rows that become one band.
        widths: channels of each level; each level after the first halves bands and frames.
        blocks: residual blocks of each level, on its way down and again on its way up.
        bottom_channels, bottom_dilations: of the blocks over frames at the deepest level.
        step_channels: of the step embedding.

    Raises:
        ValueError: impossible options.
    """

    def __init__(  # noqa: PLR0913 - the sizes of one network
        self,
        inputs: int,
        outputs: int,
        rows: int,
        band_bins: int,
        widths: Sequence[int],
        blocks: Sequence[int],
        bottom_channels: int,
        bottom_dilations: Sequence[int],
        step_channels: int,
    ) -> None:
        super().__init__()
        _check_levels(band_bins, widths, blocks)
        _check_sizes(bottom_dilations, bottom_channels, step_channels)
        self.band_bins = band_bins
        self.stride_frames = 2 ** (len(widths) - 1)
        coarse_bands = -(-rows // (band_bins * self.stride_frames))
        self.bands = coarse_bands * self.stride_frames
        self.level_sizes = {
            "bands": self.bands,
            "widths": list(widths),
            "blocks": list(blocks),
            "bottom_channels": bottom_channels,
            "bottom_dilations": list(bottom_dilations),
            "step_channels": step_channels,
        }
        self._add_levels(inputs, outputs, widths, blocks)
        wide = widths[-1] * coarse_bands
        self.bottom = Bottom(wide, bottom_channels, bottom_dilations, step_channels)
        self.receptive_radius_frames = self._receptive_radius_frames(blocks)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _add_levels(
        self, inputs: int, outputs: int, widths: Sequence[int], blocks: Sequence[int]
    ) -> None:
        """All that is convolutional over bands."""
        bins, fine_widths = self.band_bins, widths[:-1]
        self.stem = nn.Conv2d(
            inputs,
            widths[0],
            (2 * bins + bins % 2, 3),
            stride=(bins, 1),
            padding=((bins + 1) // 2, 1),
        )
        self.places = nn.Parameter(torch.zeros(1, widths[0], self.bands, 1))
        self.down = nn.ModuleList(map(_level, fine_widths, blocks))
        self.shrink = nn.ModuleList(
            nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in pairwise(widths)
        )
        self.before = _level(widths[-1], blocks[-1])
        self.after = _level(widths[-1], blocks[-1])
        self.grow = nn.ModuleList(
            nn.ConvTranspose2d(coarse, fine, 2, stride=2) for fine, coarse in pairwise(widths)
        )
        self.up = nn.ModuleList(map(_level, fine_widths, blocks))
        self.norm_out = BandNorm(widths[0])
        self.head = nn.Conv2d(widths[0], outputs * bins, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.constant_(self.head.bias, 0.0)  # type: ignore[arg-type]

    def begin_inside(self, given: "BandUNet") -> None:
        """Take over all of another U-Net but its stem and its head.

        Raises:
            ValueError: its levels have other sizes.
        """
        if given.level_sizes != self.level_sizes:
            raise ValueError(
                f"levels of {given.level_sizes} cannot begin levels of {self.level_sizes}; bands, "
                "widths, blocks, bottom and step must have the same sizes"
            )
        inside = {n: x for n, x in given.state_dict().items() if not n.startswith(ENDS)}
        self.load_state_dict(inside, strict=False)

    def stacked(self, channels: Tensor, planes: Sequence[int]) -> Tensor:
        """``[item, channel, frame]`` as planes with as many rows as there are bands for."""
        return stack_planes(channels, planes, self.bands * self.band_bins)

    def run(self, image: Tensor, sigma: Tensor) -> Tensor:
        """Process planes of ``stacked`` rows, told ``sigma`` ``[item]`` or ``[1]``."""
        x = self.stem(image.contiguous(memory_format=torch.channels_last)) + self.places
        skips = []
        for level, shrink in zip(self.down, self.shrink, strict=True):
            x = level(x)
            skips.append(x)
            x = shrink(x)
        x = self.after(self.bottom(self.before(x), sigma))
        for depth in reversed(range(len(skips))):
            x = self.up[depth](self.grow[depth](x) + skips[depth])
        bands = self.head(nn.functional.silu(self.norm_out(x))).float()
        items, _, count, frames = bands.shape
        rows: Tensor = bands.reshape(items, -1, self.band_bins, count, frames)
        return rows.transpose(2, 3).flatten(2, 3)

    def _receptive_radius_frames(self, blocks: Sequence[int]) -> int:
        radius: int = 2  # the stem and the head
        for depth, count in enumerate(blocks):
            radius += 2 * 2**depth * count * ResidualBlock2d.radius_frames  # down and up
        radius += self.stride_frames * self.bottom.radius_frames
        # Each halving looks one fine frame ahead, each doubling fills from one coarse frame.
        return int(radius + 2 * (self.stride_frames - 1))


def _level(width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock2d(width) for _ in range(blocks)))


def _check_levels(band_bins: int, widths: Sequence[int], blocks: Sequence[int]) -> None:
    if band_bins < 1:
        raise ValueError(f"band_bins must be above 0, got {band_bins}")
    if not widths or min(widths) < 1 or len(blocks) != len(widths) or min(blocks) < 0:
        raise ValueError(
            "widths must be above 0, at least one, with a count of blocks, 0 or more, for each; "
            f"got widths={list(widths)}, blocks={list(blocks)}"
        )


def _check_sizes(dilations: Sequence[int], bottom_channels: int, step_channels: int) -> None:
    if min([*dilations, bottom_channels, step_channels]) < 1:
        raise ValueError(
            "bottom_dilations, bottom_channels and step_channels must be above 0, got "
            f"bottom_dilations={list(dilations)}, bottom_channels={bottom_channels}, "
            f"step_channels={step_channels}"
        )
