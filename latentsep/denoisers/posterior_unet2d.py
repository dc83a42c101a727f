"""A regression and a diffusion of what it leaves open, in one local network over bands and frames.

A conditioner looks at the mixture alone and says, for every latent channel and frame, a mean and a
variance of the vocals. A smaller generator corrects the ``v`` that a Gaussian of that mean and
variance would have; untrained, it corrects nothing, and sampling from noise draws from the Gaussian
itself: as far from the truth as a sample must be, twice the error's energy (3 dB), and no further.
Where the conditioner is sure, as in silence, there is hardly anything to draw.

The idea of a regression whose residual is diffused is that of Mardani et al. (CorrDiff, 2023) and
Lemercier et al. (StoRM, 2022); here it is a preconditioning of ``v``, after Karras et al.
(EDM, 2022), so that objective and samplers need not know.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from latentsep.denoisers.band_blocks import check_planes, unstack_planes
from latentsep.denoisers.band_unet import BandUNet
from latentsep.denoisers.base import Condition
from latentsep.denoisers.unet2d import log_power

LOG_VARIANCE_START = -1.0
LOG_VARIANCE_RANGE = (-12.0, 2.0)
"""Latents are levelled by their mixture: a variance above 7 or below -52 dB says nothing more."""


class PosteriorUNet2d(nn.Module):
    """Conditioner and generator, for the objective ``v`` alone.

    Args:
        latent_channels: channels of state, mixture and output.
        planes: see ``UNet2d``.
        band_bins: see ``BandUNet``; those of the generator are ``generator_band_bins``.
        widths, blocks, bottom_channels, bottom_dilations: of the conditioner, see ``BandUNet``.
        generator_widths, generator_blocks, generator_bottom_channels: of the generator, whose
            dilations are the conditioner's.
        step_channels: see ``BandUNet``.

    Raises:
        ValueError: impossible options.
    """

    local = True

    def __init__(  # noqa: PLR0913 - the sizes of two networks
        self,
        latent_channels: int,
        planes: Sequence[int] | None = None,
        band_bins: int = 1,
        widths: Sequence[int] = (32, 64, 128, 192),
        blocks: Sequence[int] = (1, 1, 1, 2),
        bottom_channels: int = 384,
        generator_band_bins: int = 2,
        generator_widths: Sequence[int] = (32, 48, 64, 96),
        generator_blocks: Sequence[int] = (1, 1, 1, 1),
        generator_bottom_channels: int = 192,
        bottom_dilations: Sequence[int] = (1, 2, 4),
        step_channels: int = 128,
    ) -> None:
        super().__init__()
        if len(widths) != len(generator_widths):
            raise ValueError(
                "widths and generator_widths must be equally many, got "
                f"{list(widths)} and {list(generator_widths)}"
            )
        self.planes = (latent_channels,) if planes is None else tuple(planes)
        check_planes(self.planes, latent_channels)
        count, rows = len(self.planes), max(self.planes)
        bottom = (bottom_dilations, step_channels)
        self.conditioner = BandUNet(
            2 * count, 3 * count, rows, band_bins, widths, blocks, bottom_channels, *bottom
        )
        sizes = (generator_band_bins, generator_widths, generator_blocks, generator_bottom_channels)
        try:
            self.generator = BandUNet(4 * count, count, rows, *sizes, *bottom)
        except ValueError as error:
            raise ValueError(f"of the generator: {error}") from error
        self.stride_frames = self.conditioner.stride_frames
        self.receptive_radius_frames = (
            self.conditioner.receptive_radius_frames + self.generator.receptive_radius_frames
        )

    def condition(self, mixture: Tensor) -> Condition:
        """Mixture, mean and log variance, all of each channel and frame."""
        # Neighbours of learned latents are bands, so for them ``log_power`` is a rough power only.
        mixtures = self.conditioner.stacked(mixture, self.planes)
        image = torch.cat([mixtures, log_power(mixtures)], dim=1)
        # The conditioner has no step of its own; it stands at the start.
        output = self.conditioner.run(image, mixture.new_ones(1))
        mask, residual, spread = unstack_planes(output, 3 * self.planes).chunk(3, dim=1)
        mean = torch.sigmoid(mask) * mixture + residual
        return mixture, mean, (spread + LOG_VARIANCE_START).clamp(*LOG_VARIANCE_RANGE)

    def regress(self, condition: Condition) -> tuple[Tensor, ...]:
        """The conditioner's mean."""
        return (condition[1],)

    def log_variance(self, condition: Condition) -> Tensor:
        """The conditioner's."""
        return condition[2]

    def forward(self, state: Tensor, condition: Condition, sigma: Tensor) -> Tensor:
        """``v`` of the Gaussian, corrected by the generator."""
        mixture, mean, log_variance = condition
        sigma = sigma[:, None, None]
        alpha = (1 - sigma.square()).clamp(min=0).sqrt()
        variance = log_variance.exp()
        total = alpha.square() * variance + sigma.square()
        deviation = state - alpha * mean
        # With x = alpha c + sigma n and c ~ N(mean, variance): E[v | x] = alpha x - E[c | x], over
        # sigma, in which the sigma cancels.
        gaussian = alpha * sigma * (1 - variance) / total * deviation - sigma * mean
        known = (deviation / total.sqrt(), mean, mixture, log_variance)
        image = torch.cat([self.generator.stacked(x, self.planes) for x in known], dim=1)
        correction = unstack_planes(self.generator.run(image, sigma[:, 0, 0]), self.planes)
        return gaussian + (variance / total).sqrt() * correction
