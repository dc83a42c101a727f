"""The part of the conditioned U-Net that denoises, at every step anew."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from latentsep.denoisers.attention import SelfAttention
from latentsep.denoisers.frame_rates import grow, shrink
from latentsep.denoisers.sizes import Sizes
from latentsep.denoisers.unet1d import ResidualBlock

STEP_FEATURES = 1024


class Generator(nn.Module):
    """U-Net with skips, told of the mixture by features that are injected at its deepest levels.

    Args:
        sizes: of the whole network.
        outputs: channels of the result.
    """

    def __init__(self, sizes: Sizes, outputs: int) -> None:
        super().__init__()
        widths, factors = sizes.widths, sizes.factors
        fine_levels = range(sizes.bottom)
        self.step_mlp = _step_mlp(sizes.step_channels)
        self.conv_in = nn.Conv1d(sizes.latent_channels, widths[0], 3, padding=1)
        self.down = nn.ModuleList(GeneratorLevel(sizes, depth) for depth in fine_levels)
        self.shrink = nn.ModuleList(map(shrink, widths[:-1], widths[1:], factors))
        self.bottom = GeneratorLevel(sizes, sizes.bottom)
        self.grow = nn.ModuleList(map(grow, widths[1:], widths[:-1], factors))
        self.up = nn.ModuleList(GeneratorLevel(sizes, depth, skips=1) for depth in fine_levels)
        self.norm_out = sizes.normalised(widths[0])
        self.conv_out = nn.Conv1d(widths[0], outputs, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.constant_(self.conv_out.bias, 0.0)  # type: ignore[arg-type]

    def forward(self, state: Tensor, injected: Sequence[Tensor], sigma: Tensor) -> Tensor:
        """``[item, latent_channel, frame]`` -> ``[item, output, frame]``.

        Args:
            state: see ``Network``.
            injected: features of the deepest levels, the bottom's last, in the generator's widths.
            sigma: see ``Network``.
        """
        step = self.step_mlp(sigma)
        told: list[Sequence[Tensor]] = [()] * (len(self.down) + 1 - len(injected))
        told += [(features,) for features in injected]
        x, skips = self.conv_in(state), []
        for level, shrinking, features in zip(self.down, self.shrink, told[:-1], strict=True):
            x = level([x, *features], step)
            skips.append(x)
            x = shrinking(x)
        x = self.bottom([x, *told[-1]], step)
        for depth in reversed(range(len(skips))):
            x = self.up[depth]([self.grow[depth](x), skips[depth], *told[depth]], step)
        estimate: Tensor = self.conv_out(nn.functional.silu(self.norm_out(x)))
        return estimate


class GeneratorLevel(nn.Module):
    """Merges the features that meet at one level, then runs its blocks.

    Args:
        sizes: of the whole network.
        depth: of the level.
        skips: features that come beside the generator's own and the injected ones.
    """

    def __init__(self, sizes: Sizes, depth: int, skips: int = 0) -> None:
        super().__init__()
        width = sizes.widths[depth]
        parts = 1 + skips + (depth >= sizes.first_injected)
        self.merge = nn.Conv1d(parts * width, width, 1) if parts > 1 else nn.Identity()
        self.blocks = nn.ModuleList(
            ResidualBlock(width, sizes.step_channels, norm=sizes.normalised)
            for _ in range(sizes.blocks[depth])
        )
        self.attentions = nn.ModuleList(
            SelfAttention(width, sizes.attention_heads) if sizes.attends(depth) else nn.Identity()
            for _ in self.blocks
        )

    def forward(self, features: Sequence[Tensor], step: Tensor) -> Tensor:
        """Process features ``[item, channel, frame]`` of this level's width."""
        x: Tensor = self.merge(torch.cat(list(features), dim=1))
        for block, attention in zip(self.blocks, self.attentions, strict=True):
            x = attention(block(x, step))
        return x


class FourierFeatures(nn.Module):
    """Sines and cosines ``[item, STEP_FEATURES]`` of ``sigma`` ``[item]``, of random frequencies.

    Frequencies are normally distributed, in periods over the range of sigma.
    """

    periods: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Model folders hold float16; they shall hold these very frequencies.
        self.register_buffer("periods", torch.randn(STEP_FEATURES // 2).half().float())

    def forward(self, sigma: Tensor) -> Tensor:
        """Make features of each sigma."""
        angles = 2 * math.pi * sigma.float()[:, None] * self.periods
        return torch.cat([angles.sin(), angles.cos()], dim=1)


def _step_mlp(channels: int) -> nn.Sequential:
    widths = (STEP_FEATURES, channels, channels, channels)
    linears = [nn.Linear(*pair) for pair in pairwise(widths)]
    return nn.Sequential(
        FourierFeatures(), linears[0], nn.GELU(), linears[1], nn.GELU(), linears[2]
    )
