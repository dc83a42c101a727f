"""A regression and a diffusion of what it leaves open, in one local network.

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

from latentsep.denoisers.base import Condition
from latentsep.denoisers.unet1d import FrameUNet

LOG_VARIANCE_START = -1.0
LOG_VARIANCE_RANGE = (-12.0, 2.0)
"""Latents are levelled by their mixture: a variance above 7 or below -52 dB says nothing more."""


class PosteriorUNet1d(nn.Module):
    """Conditioner and generator, for the objective ``v`` alone.

    Args:
        latent_channels: channels of state, mixture and output.
        patch_frames: neighbouring frames that are folded into channels, so that the U-Nets run at
            a lower rate.
        conditioner_widths, generator_widths: see ``FrameUNet``.
        conditioner_blocks, generator_blocks: see ``FrameUNet``.
        features: channels that the conditioner tells the generator beside mean and variance.
    """

    local = True

    def __init__(  # noqa: PLR0913 - the sizes of two networks
        self,
        latent_channels: int,
        patch_frames: int = 2,
        conditioner_widths: Sequence[int] = (192, 256, 320),
        conditioner_blocks: int = 2,
        generator_widths: Sequence[int] = (128, 160, 192),
        generator_blocks: int = 1,
        bottom_dilations: Sequence[int] = (1, 2, 4),
        step_channels: int = 128,
        features: int = 96,
    ) -> None:
        super().__init__()
        if patch_frames < 1 or features < 1:
            raise ValueError(
                f"patch_frames and features must be 1 or more, got patch_frames={patch_frames}, "
                f"features={features}"
            )
        if len(conditioner_widths) != len(generator_widths):
            raise ValueError(
                "conditioner and generator need as many levels as each other, got "
                f"{list(conditioner_widths)} and {list(generator_widths)}"
            )
        self.patch_frames = patch_frames
        self.features = features
        folded = latent_channels * patch_frames
        self.conditioner = FrameUNet(
            folded,
            3 * folded + features,
            conditioner_widths,
            conditioner_blocks,
            bottom_dilations,
            step_channels,
        )
        self.generator = FrameUNet(
            3 * folded + features,
            folded,
            generator_widths,
            generator_blocks,
            bottom_dilations,
            step_channels,
        )
        nn.init.normal_(self.conditioner.conv_out.weight[3 * folded :], std=0.05)
        self.stride_frames = patch_frames * self.conditioner.stride_frames
        radius = self.conditioner.receptive_radius_frames + self.generator.receptive_radius_frames
        # A frame may stand at the far end of its patch, here and there.
        self.receptive_radius_frames = patch_frames * radius + patch_frames - 1

    def condition(self, mixture: Tensor) -> Condition:
        """Mixture, mean, log variance (both per channel and frame) and folded features."""
        folded = self._fold(mixture)
        # The conditioner has no step of its own; it stands at the start.
        output = self.conditioner.run(folded, folded.new_ones(1))
        size = folded.shape[1]
        mask, residual, spread, features = torch.split(
            output, [size, size, size, self.features], dim=1
        )
        mean = torch.sigmoid(mask) * folded + residual
        log_variance = (spread + LOG_VARIANCE_START).clamp(*LOG_VARIANCE_RANGE)
        return mixture, self._unfold(mean), self._unfold(log_variance), features

    def regress(self, condition: Condition) -> tuple[Tensor, ...]:
        """The conditioner's mean."""
        return (condition[1],)

    def forward(self, state: Tensor, condition: Condition, sigma: Tensor) -> Tensor:
        """``v`` of the Gaussian, corrected by the generator."""
        mixture, mean, log_variance, features = condition
        sigma = sigma[:, None, None]
        alpha = (1 - sigma.square()).clamp(min=0).sqrt()
        variance = log_variance.exp()
        total = alpha.square() * variance + sigma.square()
        deviation = state - alpha * mean
        # With x = alpha c + sigma n and c ~ N(mean, variance): E[v | x] = alpha x - E[c | x], over
        # sigma, in which the sigma cancels.
        gaussian = alpha * sigma * (1 - variance) / total * deviation - sigma * mean
        scale = (variance / total).sqrt()
        known = [
            self._fold(deviation / total.sqrt()),
            self._fold(mean),
            self._fold(mixture),
            features,
        ]
        correction = self.generator.run(torch.cat(known, dim=1), sigma[:, 0, 0])
        return gaussian + scale * self._unfold(correction)

    def _fold(self, latents: Tensor) -> Tensor:
        """``[item, channel, frame]`` -> ``[item, channel * patch, frame / patch]``."""
        items, channels, _ = latents.shape
        patches = latents.reshape(items, channels, -1, self.patch_frames)
        return patches.transpose(2, 3).flatten(1, 2)

    def _unfold(self, folded: Tensor) -> Tensor:
        items, channels, frames = folded.shape
        patches = folded.reshape(items, channels // self.patch_frames, self.patch_frames, frames)
        return patches.transpose(2, 3).flatten(2)
