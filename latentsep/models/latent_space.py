"""The space the sampler works in: codec latents, scaled per channel and levelled per frame."""

import torch
from torch import Tensor, nn

from latentsep.codecs import Codec
from latentsep.codecs.level import local_power

LEVEL_FLOOR = 1e-6
"""Added to the mixture's local power (1 is a typical song): digital silence stays silence, and what
lies 60 dB below a typical song is no longer raised."""


class LatentSpace(nn.Module):
    """Codec latents with one scale per channel, the same for mixture and vocals.

    Latents of a codec that is not homogeneous have a mean as well, the ``shift``, and no level:
    dividing them would not be what a quieter waveform is. Their network has to learn all levels.

    ``level`` measures how loud the mixture is around each frame. Dividing by it makes the
    separation of a passage independent of its level, without a gain per chunk (a seam) and without
    a first pass over the whole track (a stream could not do that).
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, codec: Codec, level_radius_frames: int) -> None:
        super().__init__()
        self.codec = codec
        self.level_radius_frames = level_radius_frames
        self.register_buffer("scale", torch.ones(codec.latent_channels, 1))
        no_shift = torch.zeros(codec.latent_channels, 1)
        self.register_buffer("shift", no_shift, persistent=not codec.homogeneous)

    def encode(self, waveform: Tensor) -> Tensor:
        """``[item, channel, sample]`` -> scaled latents ``[item, latent_channel, frame]``."""
        return (self.codec.encode(waveform) - self.shift) * self.scale

    def decode(self, latents: Tensor) -> Tensor:
        """Scaled latents ``[item, latent_channel, frame]`` -> ``[item, channel, sample]``."""
        return self.codec.decode(latents / self.scale + self.shift)

    def level(self, mixture: Tensor) -> Tensor:
        """Root mean square ``[item, 1, frame]`` of mixture latents under a triangular window.

        1 where the codec is not homogeneous.
        """
        if not self.codec.homogeneous:
            return torch.ones_like(mixture[:, :1])
        return (local_power(mixture, self.level_radius_frames) + LEVEL_FLOOR).sqrt()
