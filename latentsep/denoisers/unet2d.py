"""Mask and residual by a U-Net over bands and frames."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from latentsep.denoisers.band_blocks import check_planes, unstack_planes
from latentsep.denoisers.band_unet import BandUNet
from latentsep.denoisers.base import Condition
from latentsep.denoisers.unet1d import SkipHead, check_skip, lay_over, skipped

POWER_FLOOR = 1e-5
"""Of latents with unit power overall."""
LOG_POWER_SCALE = 0.25
"""Brings logarithms of powers to a range near 1."""


class UNet2d(SkipHead, BandUNet):
    """Concatenation-conditioned U-Net over bands and frames, with the skip head of ``UNet1d``.

    ``planes`` says how many of the latent channels, one after another, are bins of one spectrum:
    384 of mid and 256 of side for the codec ``mdct``. Spectra are laid over each other, lowest
    bins first, and every ``band_bins`` bins become one band. Beside state and mixture the network
    sees the logarithm of the mixture's power (``log_power``).

    Args:
        latent_channels: channels of state, mixture and output.
        planes: bins of each spectrum; None: all channels are one.
        band_bins, widths, blocks, bottom_channels, bottom_dilations, step_channels: see
            ``BandUNet``.
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
        check_skip(skip)
        known = (latent_channels,) if planes is None else tuple(planes)
        check_planes(known, latent_channels)
        bottom = (bottom_channels, bottom_dilations, step_channels)
        counts = (3 * len(known), 2 * len(known), max(known))
        super().__init__(*counts, band_bins, widths, blocks, *bottom)
        self.planes = known
        self.skip = skip

    def forward(self, state: Tensor, condition: Condition, sigma: Tensor) -> Tensor:
        """Estimate as ``Network`` says."""
        (mixture,) = condition
        states, mixtures = (self.stacked(x, self.planes) for x in (state, mixture))
        image = torch.cat([states, mixtures, log_power(mixtures)], dim=1)
        output = unstack_planes(self.run(image, sigma), 2 * self.planes)
        return lay_over(skipped(self.skip, state, mixture, sigma), output)


def log_power(planes: Tensor) -> Tensor:
    """Logarithm of the power of each bin and the difference of its neighbours, shaped as planes.

    For an MDCT it hardly depends on the phase (Daudet and Sandler, "MDCT analysis of sinusoids",
    IEEE Trans. Speech Audio Process. 12(3), 2004).
    """
    padded = nn.functional.pad(planes, (0, 0, 1, 1))
    power = planes.square() + (padded[:, :, 2:] - padded[:, :, :-2]).square()
    return LOG_POWER_SCALE * (power + POWER_FLOOR).log()
