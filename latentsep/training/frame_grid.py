"""Frames of what is trained, and the samples that they are made of."""

import math
from dataclasses import dataclass

from latentsep.errors import ConfigError


@dataclass(frozen=True)
class FrameGrid:
    """How a codec or a spectrum cuts audio, and which counts of frames a network takes.

    Attributes:
        stride_frames: frames come in multiples of this.
        extra_frames: frames of a waveform beyond one for each hop.
    """

    sample_rate_hz: int
    hop_samples: int
    stride_frames: int
    extra_frames: int

    def crop_samples(self, crop_frames: int) -> int:
        """Samples of an example.

        Raises:
            ConfigError: the network cannot take so many frames.
        """
        if crop_frames % self.stride_frames or crop_frames <= self.extra_frames:
            raise ConfigError(
                f"crop_frames must be a multiple of {self.stride_frames}, the network's stride, "
                f"above {self.extra_frames}, got {crop_frames}"
            )
        return (crop_frames - self.extra_frames) * self.hop_samples

    def samples_of(self, length_s: float) -> int:
        """Samples of the shortest example that is not shorter than ``length_s``."""
        hops = math.ceil(length_s * self.sample_rate_hz / self.hop_samples)
        strides = math.ceil((hops + self.extra_frames) / self.stride_frames)
        return self.crop_samples(strides * self.stride_frames)
