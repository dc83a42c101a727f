"""The codec that does nothing, for exact tests of everything around it."""

from torch import Tensor, nn

from latentsep.codecs.base import check_latents, check_numbers, check_waveform, full_band


class IdentityCodec(nn.Module):
    """Folds each hop of samples into latent channels; decoding gives the same bits back."""

    extra_frames = 0
    reach_frames = 0
    exact_reach = True
    homogeneous = True
    band_centres_hz: Tensor

    def __init__(
        self, sample_rate_hz: int = 44_100, channels: int = 2, hop_samples: int = 64
    ) -> None:
        super().__init__()
        check_numbers(sample_rate_hz=sample_rate_hz, channels=channels, hop_samples=hop_samples)
        self.sample_rate_hz = sample_rate_hz
        self.channels = channels
        self.hop_samples = hop_samples
        self.bandwidth_hz = sample_rate_hz / 2
        self.latent_channels = channels * hop_samples
        self.register_buffer("band_centres_hz", full_band(self.latent_channels), persistent=False)

    def encode(self, waveform: Tensor) -> Tensor:
        """Fold ``[item, channel, sample]`` to ``[item, channel * hop, frame]``."""
        check_waveform(self, waveform)
        items, channels, _ = waveform.shape
        folded = waveform.reshape(items, channels, -1, self.hop_samples)
        return folded.transpose(2, 3).flatten(1, 2)

    def decode(self, latents: Tensor) -> Tensor:
        """Unfold ``[item, channel * hop, frame]`` to ``[item, channel, sample]``."""
        check_latents(self, latents)
        items, _, frames = latents.shape
        folded = latents.reshape(items, self.channels, self.hop_samples, frames)
        return folded.transpose(2, 3).flatten(2)
