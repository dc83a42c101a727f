"""Self-attention over frames, told of distances by rotary embeddings.

All projections are convolutions of one frame: they give an item the same bits in any company, as
a matrix product over all rows of a batch need not.
"""

import torch
from torch import Tensor, nn

from latentsep.denoisers.unet1d import FrameNorm

HEAD_CHANNELS = 64
ROTARY_BASE = 10_000.0
HIDDEN_FACTOR = 4


class SelfAttention(nn.Module):
    """Adds to each frame what it finds in all frames of its item; a fresh one adds nothing."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = FrameNorm(channels)
        self.conv_in = nn.Conv1d(channels, 3 * heads * HEAD_CHANNELS, 1, bias=False)
        self.conv_out = _fresh_nothing(nn.Conv1d(heads * HEAD_CHANNELS, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Process ``[item, channel, frame]``."""
        parts = self.conv_in(self.norm(x)).unflatten(1, (3, self.heads, HEAD_CHANNELS))
        query, key, value = parts.transpose(3, 4).contiguous().unbind(1)
        found = nn.functional.scaled_dot_product_attention(rotate(query), rotate(key), value)
        added: Tensor = self.conv_out(found.transpose(2, 3).flatten(1, 2))
        return x + added


class TransformerLayer(nn.Module):
    """Self-attention, then two layers for each frame on its own, both pre-normalised."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention = SelfAttention(channels, channels // HEAD_CHANNELS)
        self.frames = nn.Sequential(
            FrameNorm(channels),
            nn.Conv1d(channels, HIDDEN_FACTOR * channels, 1),
            nn.GELU(),
            _fresh_nothing(nn.Conv1d(HIDDEN_FACTOR * channels, channels, 1)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Process ``[item, channel, frame]``."""
        x = self.attention(x)
        added: Tensor = self.frames(x)
        return x + added


def rotate(x: Tensor) -> Tensor:
    """Turn pairs of channels by angles that grow with the frame, ``[item, head, frame, channel]``.

    The product of two turned frames depends on their distance only (Su et al., RoFormer, 2021,
    arXiv 2104.09864).
    """
    frames, channels = x.shape[2:]
    rates = ROTARY_BASE ** -(torch.arange(0, channels, 2, device=x.device) / channels)
    angles = torch.arange(frames, device=x.device)[:, None] * rates
    cosines, sines = angles.cos(), angles.sin()
    first, second = x.float().chunk(2, dim=3)
    turned = [first * cosines - second * sines, first * sines + second * cosines]
    return torch.cat(turned, dim=3).to(x.dtype)


def _fresh_nothing(conv: nn.Conv1d) -> nn.Conv1d:
    nn.init.zeros_(conv.weight)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv
