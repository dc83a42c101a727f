"""A local U-Net that is convolutional over frequency as well as over frames.

Latents whose channels are bins of spectra, as the MDCT's are, are an image: a melody that moves
up moves in it, and a kernel that knows one note knows them all. It learns faster than a network
for which each bin is a channel of its own; docs/training.md has both.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from latentsep.denoisers.band_blocks import BandNorm, Bottom, ResidualBlock2d
from latentsep.denoisers.base import Condition
from latentsep.denoisers.unet1d import SkipHead, check_skip, lay_over, skipped

POWER_FLOOR = 1e-5
"""Of latents with unit power overall."""
LOG_POWER_SCALE = 0.25
"""Brings logarithms of powers to a range near 1."""


class UNet2d(SkipHead, nn.Module):
    """Concatenation-conditioned U-Net over bands and frames, with the skip head of ``UNet1d``.

    ``planes`` says how many of the latent channels, one after another, are bins of one spectrum:
    384 of mid and 256 of side for the codec ``mdct``. Spectra are laid over each other, lowest
    bins first, and every ``band_bins`` bins become one band. Beside state and mixture the network
    sees the logarithm of the mixture's power, of each bin and the difference of its neighbours,
    which for an MDCT hardly depends on the phase (Daudet and Sandler, "MDCT analysis of sinusoids",
    IEEE Trans. Speech Audio Process. 12(3), 2004).

    Args:
        latent_channels: channels of state, mixture and output.
        planes: bins of each spectrum; None: all channels are one.
        band_bins: bins of a band, an even number.
        widths: channels of each level; each level after the first halves bands and frames.
        blocks: residual blocks of each level, on its way down and again on its way up.
        bottom_channels, bottom_dilations: of the blocks over frames at the deepest level.
        step_channels: of the step embedding.
        skip: what the head's mask is laid over.

    Raises:
        ValueError: impossible options.
    """

    def __init__(  # noqa: PLR0913 - the sizes of one network
        self,
        latent_channels: int,
        planes: Sequence[int] | None = None,
        band_bins: int = 4,
        widths: Sequence[int] = (32, 64, 128, 192),
        blocks: Sequence[int] = (1, 1, 1, 2),
        bottom_channels: int = 384,
        bottom_dilations: Sequence[int] = (1, 2, 4),
        step_channels: int = 128,
        skip: Literal["state", "mixture"] = "state",
    ) -> None:
        super().__init__()
        check_skip(skip)
        self.planes = (latent_channels,) if planes is None else tuple(planes)
        _check_planes(self.planes, latent_channels, band_bins)
        _check_levels(widths, blocks)
        _check_sizes(bottom_dilations, bottom_channels, step_channels)
        self.skip = skip
        self.band_bins = band_bins
        self.stride_frames = 2 ** (len(widths) - 1)
        self.coarse_bands = -(-max(self.planes) // (band_bins * self.stride_frames))
        self._add_levels(widths, blocks)
        wide = widths[-1] * self.coarse_bands
        self.bottom = Bottom(wide, bottom_channels, bottom_dilations, step_channels)
        self.receptive_radius_frames = self._receptive_radius_frames(blocks)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _add_levels(self, widths: Sequence[int], blocks: Sequence[int]) -> None:
        """All that is convolutional over bands."""
        bins, planes, fine_widths = self.band_bins, len(self.planes), widths[:-1]
        bands = self.coarse_bands * self.stride_frames
        self.stem = nn.Conv2d(
            3 * planes, widths[0], (2 * bins, 3), stride=(bins, 1), padding=(bins // 2, 1)
        )
        self.places = nn.Parameter(torch.zeros(1, widths[0], bands, 1))
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
        self.head = nn.Conv2d(widths[0], 2 * planes * bins, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.constant_(self.head.bias, 0.0)  # type: ignore[arg-type]

    def forward(self, state: Tensor, condition: Condition, sigma: Tensor) -> Tensor:
        """Estimate as ``Network`` says."""
        (mixture,) = condition
        output = self._channels(self._run(self._image(state, mixture), sigma))
        return lay_over(skipped(self.skip, state, mixture, sigma), output)

    def _run(self, image: Tensor, sigma: Tensor) -> Tensor:
        """``[item, plane, bin, frame]`` to ``[item, plane * band_bins, band, frame]``."""
        x = self.stem(image) + self.places
        skips = []
        for level, shrink in zip(self.down, self.shrink, strict=True):
            x = level(x)
            skips.append(x)
            x = shrink(x)
        x = self.after(self.bottom(self.before(x), sigma))
        for depth in reversed(range(len(skips))):
            x = self.up[depth](self.grow[depth](x) + skips[depth])
        bands: Tensor = self.head(nn.functional.silu(self.norm_out(x)))
        return bands.float()

    def _image(self, state: Tensor, mixture: Tensor) -> Tensor:
        """Planes ``[item, plane, bin, frame]`` of state and mixture and of the mixture's power."""
        states, mixtures = self._planes(state), self._planes(mixture)
        padded = nn.functional.pad(mixtures, (0, 0, 1, 1))
        power = mixtures.square() + (padded[:, :, 2:] - padded[:, :, :-2]).square()
        log_power = LOG_POWER_SCALE * (power + POWER_FLOOR).log()
        image = torch.cat([states, mixtures, log_power], dim=1)
        return image.contiguous(memory_format=torch.channels_last)

    def _planes(self, latents: Tensor) -> Tensor:
        """``[item, latent_channel, frame]`` to ``[item, plane, bin, frame]``, silence above."""
        bins = self.coarse_bands * self.stride_frames * self.band_bins
        planes = torch.split(latents, list(self.planes), dim=1)
        return torch.stack(
            [nn.functional.pad(plane, (0, 0, 0, bins - plane.shape[1])) for plane in planes], dim=1
        )

    def _channels(self, bands: Tensor) -> Tensor:
        """Bands of masks and residuals to ``[item, 2 * latent_channel, frame]``."""
        items, _, count, frames = bands.shape
        planes = bands.reshape(items, -1, self.band_bins, count, frames).transpose(2, 3)
        planes = planes.flatten(2, 3)
        bins = 2 * self.planes
        return torch.cat([planes[:, i, :count] for i, count in enumerate(bins)], dim=1)

    def _receptive_radius_frames(self, blocks: Sequence[int]) -> int:
        radius: int = 2  # the stem and the head
        for depth, count in enumerate(blocks):
            radius += 2 * 2**depth * count * ResidualBlock2d.radius_frames  # down and up
        radius += self.stride_frames * self.bottom.radius_frames
        # Each halving looks one fine frame ahead, each doubling fills from one coarse frame.
        return int(radius + 2 * (self.stride_frames - 1))


def _level(width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock2d(width) for _ in range(blocks)))


def _check_planes(planes: tuple[int, ...], latent_channels: int, band_bins: int) -> None:
    if not planes or min(planes) < 1 or sum(planes) != latent_channels:
        raise ValueError(
            f"planes must be above 0 and together the codec's {latent_channels} latent channels, "
            f"got {list(planes)}"
        )
    if band_bins < 2 or band_bins % 2:
        raise ValueError(f"band_bins must be an even number above 0, got {band_bins}")


def _check_levels(widths: Sequence[int], blocks: Sequence[int]) -> None:
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
