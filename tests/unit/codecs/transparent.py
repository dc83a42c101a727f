"""Stand-ins for the two networks of a codec that lose nothing."""

from torch import Tensor, nn


class Fold(nn.Module):
    """``[1, channel, sample]`` -> ``[1, channel * hop, frame]``."""

    def __init__(self, hop_samples: int) -> None:
        super().__init__()
        self.hop_samples = hop_samples

    def forward(self, waveform: Tensor) -> Tensor:
        folded = waveform.unflatten(2, (-1, self.hop_samples))
        return folded.transpose(2, 3).flatten(1, 2)


class Unfold(nn.Module):
    """What ``Fold`` folded, as it was."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, latents: Tensor) -> Tensor:
        return latents.unflatten(1, (self.channels, -1)).transpose(2, 3).flatten(2)


def make_transparent(codec, channels):
    """Let a codec's networks, which see so many channels at once, give back what goes in."""
    codec.encoder = Fold(codec.hop_samples)
    codec.decoder = Unfold(channels)
    codec.hidden_channels = channels * codec.hop_samples
    return codec
