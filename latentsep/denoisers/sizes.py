"""Sizes of the conditioned U-Net, which its two parts share."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import nn

from latentsep.denoisers.attention import HEAD_CHANNELS
from latentsep.denoisers.unet1d import FrameNorm

MOST_GROUPS = 8


@dataclass(frozen=True)
class Sizes:
    """Generator and conditioner have the same levels, from the full frame rate to the bottom's.

    Attributes:
        latent_channels: channels of state, mixture and output.
        widths: channels of the generator at each level, the bottom last.
        conditioner_widths: channels of the conditioner at each level.
        factors: frames of each level that make one of the next.
        blocks: residual blocks of the generator at each level and in each direction; at the bottom
            once.
        attention_levels: levels with self-attention, counted from the bottom.
        attention_heads: heads of each of them, of ``HEAD_CHANNELS`` channels.
        injected_levels: levels at which the generator is told, counted from the bottom.
        transformer_layers: layers at the conditioner's bottom.
        transformer_channels: their width, a multiple of ``HEAD_CHANNELS``.
        step_channels: width of the step embedding.
        norm: ``group``: over a group of channels and all frames; ``frame``: over the channels of
            each frame on its own, which keeps convolutions local.
    """

    latent_channels: int
    widths: Sequence[int] = (320, 384, 448, 512)
    conditioner_widths: Sequence[int] = (512, 640, 768, 1024)
    factors: Sequence[int] = (2, 2, 2)
    blocks: Sequence[int] = (2, 2, 2, 2)
    attention_levels: int = 4
    attention_heads: int = 4
    injected_levels: int = 4
    transformer_layers: int = 6
    transformer_channels: int = 512
    step_channels: int = 512
    norm: Literal["group", "frame"] = "group"

    def __post_init__(self) -> None:
        levels = len(self.widths)
        if not (levels == len(self.conditioner_widths) == len(self.blocks)) or (
            len(self.factors) != levels - 1
        ):
            raise ValueError(
                "widths, conditioner_widths and blocks must have one entry for each level, and "
                f"factors one less, got {levels}, {len(self.conditioner_widths)}, "
                f"{len(self.blocks)} and {len(self.factors)}"
            )
        self._check_least(1, "widths", "conditioner_widths", "factors", "step_channels")
        self._check_least(0, "blocks", "transformer_layers", "attention_levels")
        self._check_least(1, "attention_heads", "injected_levels", "transformer_channels")
        if max(self.attention_levels, self.injected_levels) > levels:
            raise ValueError(
                f"attention_levels and injected_levels must be at most the {levels} levels, got "
                f"{self.attention_levels} and {self.injected_levels}"
            )
        if self.transformer_channels % HEAD_CHANNELS:
            raise ValueError(
                f"transformer_channels must be a multiple of {HEAD_CHANNELS}, "
                f"got {self.transformer_channels}"
            )
        if self.norm not in ("group", "frame"):
            raise ValueError(f"norm must be 'group' or 'frame', got {self.norm!r}")

    @property
    def local(self) -> bool:
        """Whether nothing looks further than the convolutions do."""
        return self.norm == "frame" and not self.attention_levels and not self.transformer_layers

    @property
    def bottom(self) -> int:
        """Depth of the deepest level; the depth of the full frame rate is 0."""
        return len(self.factors)

    @property
    def first_injected(self) -> int:
        """Least depth at which the generator is told."""
        return len(self.widths) - self.injected_levels

    @property
    def stride_frames(self) -> int:
        """Frames that make one of the bottom's."""
        return math.prod(self.factors)

    def attends(self, depth: int) -> bool:
        """Whether a level has self-attention."""
        return depth >= len(self.widths) - self.attention_levels

    def normalised(self, channels: int) -> nn.Module:
        """A normalisation of ``[item, channel, frame]``."""
        if self.norm == "frame":
            return FrameNorm(channels)
        return nn.GroupNorm(math.gcd(MOST_GROUPS, channels), channels)

    def _check_least(self, least: int, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            if min(value if isinstance(value, Sequence) else [value], default=least) < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
