"""The part of the conditioned U-Net that reads the mixture, once for all steps."""

from collections.abc import Sequence

from torch import Tensor, nn

from latentsep.denoisers.attention import SelfAttention, TransformerLayer
from latentsep.denoisers.frame_rates import grow, shrink
from latentsep.denoisers.sizes import Sizes


class Conditioner(nn.Module):
    """Auto-encoder of the mixture without skips, after UNIVERSE (Serrà et al., 2022, 2206.03065).

    What its encoder finds at each level reaches its decoder through the bottleneck only, so that
    the mixture itself has no way around it.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        widths, factors, bottom = sizes.conditioner_widths, sizes.factors, sizes.bottom
        self.stride_frames = sizes.stride_frames
        self.first_injected = sizes.first_injected
        self.conv_in = nn.Conv1d(sizes.latent_channels, widths[0], 3, padding=1)
        self.down = nn.ModuleList(_level(sizes, depth) for depth in range(bottom))
        self.shrink = nn.ModuleList(map(shrink, widths[:-1], widths[1:], factors))
        self.bottleneck = Bottleneck(sizes)
        self.grow = nn.ModuleList(map(grow, widths[1:], widths[:-1], factors))
        self.up = nn.ModuleList(_level(sizes, depth) for depth in range(bottom))
        self.inject = nn.ModuleList(
            nn.Conv1d(widths[depth], sizes.widths[depth], 1)
            for depth in range(sizes.first_injected, bottom + 1)
        )
        self.coarse_head = nn.Conv1d(widths[-1], sizes.stride_frames * sizes.latent_channels, 1)
        self.fine_head = nn.Conv1d(widths[0], sizes.latent_channels, 1)

    def forward(self, mixture: Tensor) -> tuple[tuple[Tensor, Tensor], list[Tensor]]:
        """Two clean estimates and the features to inject, of ``[item, latent_channel, frame]``.

        The estimates, shaped as the mixture, are those of the bottleneck and of the decoder's
        output. The features ``[item, channel, frame]`` have the rates and widths of the generator's
        deepest levels, the bottom's last.
        """
        x, found = self.conv_in(mixture), []
        for level, shrinking in zip(self.down, self.shrink, strict=True):
            x = level(x)
            found.append(x)
            x = shrinking(x)
        x = self.bottleneck(x, found)
        features = [x]
        for depth in reversed(range(len(found))):
            x = self.up[depth](self.grow[depth](x))
            features.insert(0, x)
        coarse = unfold_frames(self.coarse_head(features[-1]), self.stride_frames)
        told = features[self.first_injected :]
        injected = [conv(level) for conv, level in zip(self.inject, told, strict=True)]
        return (coarse, self.fine_head(x)), injected


class Bottleneck(nn.Module):
    """Transformer over the deepest features and a summary of those of each level above."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        widths, channels = sizes.conditioner_widths, sizes.transformer_channels
        self.conv_in = nn.Conv1d(widths[-1], channels, 1)
        self.summaries = nn.ModuleList()
        frames = sizes.stride_frames
        for width, factor in zip(widths[:-1], sizes.factors, strict=True):
            self.summaries.append(
                nn.Sequential(
                    sizes.normalised(width),
                    nn.ReLU(),
                    nn.AvgPool1d(frames),
                    nn.Conv1d(width, channels, 1),
                )
            )
            frames //= factor
        self.layers = nn.Sequential(
            *(TransformerLayer(channels) for _ in range(sizes.transformer_layers))
        )
        self.conv_out = nn.Conv1d(channels, widths[-1], 1)

    def forward(self, x: Tensor, found: Sequence[Tensor]) -> Tensor:
        """Process ``x`` ``[item, channel, frame]``, told of the features of the levels above."""
        tokens = self.conv_in(x)
        for summary, features in zip(self.summaries, found, strict=True):
            tokens = tokens + summary(features)
        added: Tensor = self.conv_out(self.layers(tokens))
        return x + added


class ConditionerBlock(nn.Module):
    """Three normalised convolutions beside the features; a fresh one adds nothing."""

    radius_frames = 3

    def __init__(self, sizes: Sizes, width: int) -> None:
        super().__init__()
        convs = [nn.Conv1d(width, width, 3, padding=1) for _ in range(3)]
        nn.init.zeros_(convs[-1].weight)
        self.convs = nn.Sequential(
            *(nn.Sequential(sizes.normalised(width), nn.PReLU(), conv) for conv in convs)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Process ``[item, channel, frame]``."""
        added: Tensor = self.convs(x)
        return x + added


def unfold_frames(coarse: Tensor, factor: int) -> Tensor:
    """``[item, factor * channel, frame]`` -> ``[item, channel, frame * factor]``."""
    items, _, frames = coarse.shape
    return coarse.reshape(items, factor, -1, frames).permute(0, 2, 3, 1).flatten(2)


def _level(sizes: Sizes, depth: int) -> nn.Sequential:
    width = sizes.conditioner_widths[depth]
    level = nn.Sequential(ConditionerBlock(sizes, width))
    if sizes.attends(depth):
        level.append(SelfAttention(width, sizes.attention_heads))
    return level
