"""A codec without parameters: band-limited MDCT of mid and side.

The modified discrete cosine transform (Princen, Johnson and Bradley, ICASSP 1987) with a sine
window is orthonormal and linear, so latents add up as waveforms do. Keeping only the low bins of
mid and fewer of side makes it compact; what true vocals lose on the way is in docs/benchmarks.md.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from latentsep.codecs.base import check_latents, check_numbers, check_waveform


class MdctCodec(nn.Module):
    """Stereo waveform <-> MDCT coefficients ``[mid bins + side bins, frame]``."""

    channels = 2
    extra_frames = 1
    reach_frames = 1
    exact_reach = True
    homogeneous = True
    basis: Tensor
    band_centres_hz: Tensor

    def __init__(
        self,
        sample_rate_hz: int = 44_100,
        hop_samples: int = 1_024,
        mid_bins: int = 384,
        side_bins: int = 256,
    ) -> None:
        super().__init__()
        if not 0 < side_bins <= mid_bins <= hop_samples:
            raise ValueError(
                f"0 < side_bins <= mid_bins <= hop_samples ({hop_samples}) is needed, "
                f"got side_bins={side_bins}, mid_bins={mid_bins}"
            )
        check_numbers(
            sample_rate_hz=sample_rate_hz,
            hop_samples=hop_samples,
            mid_bins=mid_bins,
            side_bins=side_bins,
        )
        self.sample_rate_hz = sample_rate_hz
        self.hop_samples = hop_samples
        self.mid_bins = mid_bins
        self.side_bins = side_bins
        self.latent_channels = mid_bins + side_bins
        self.bandwidth_hz = mid_bins / hop_samples * sample_rate_hz / 2
        self.register_buffer(
            "basis", lapped_basis(hop_samples, mid_bins, torch.cos), persistent=False
        )
        bins = torch.cat([torch.arange(mid_bins), torch.arange(side_bins)])
        centres_hz = (bins + 0.5) * (sample_rate_hz / 2 / hop_samples)
        self.register_buffer("band_centres_hz", centres_hz, persistent=False)

    def encode(self, waveform: Tensor) -> Tensor:
        """``[item, 2, hops * hop]`` -> ``[item, mid_bins + side_bins, hops + 1]``.

        Frame ``f`` is centred on the border between hop ``f - 1`` and hop ``f``.
        """
        check_waveform(self, waveform)
        return torch.stack([self._encode_item(item) for item in rotate(waveform)])

    def decode(self, latents: Tensor) -> Tensor:
        """``[item, mid_bins + side_bins, hops + 1]`` -> ``[item, 2, hops * hop]``."""
        check_latents(self, latents)
        return rotate(torch.stack([self._decode_item(item) for item in latents]))

    # One item at a time: matrix products of other sizes may take another kernel, whose sums differ
    # in the last bit (seen on a Xeon with MKL), and a track's bits must not depend on its company.

    def _encode_item(self, mid_side: Tensor) -> Tensor:
        mid, side = lapped_frames(mid_side, self.hop_samples)
        spectra = torch.cat([mid @ self.basis, side @ self.basis[:, : self.side_bins]], dim=1)
        return spectra.T

    def _decode_item(self, latents: Tensor) -> Tensor:
        spectra = latents.T
        mid = spectra[:, : self.mid_bins] @ self.basis.T
        side = spectra[:, self.mid_bins :] @ self.basis[:, : self.side_bins].T
        frames = torch.stack([mid, side])
        hops = frames[:, :-1, self.hop_samples :] + frames[:, 1:, : self.hop_samples]
        return hops.flatten(1)


def lapped_frames(waveform: Tensor, hop_samples: int) -> Tensor:
    """``[..., hops * hop]`` -> frames of two hops ``[..., hops + 1, 2 * hop]``, silence around."""
    padded = nn.functional.pad(waveform, (hop_samples, hop_samples))
    return padded.unfold(-1, 2 * hop_samples, hop_samples)


def lapped_basis(hop_samples: int, bins: int, transform: Callable[[Tensor], Tensor]) -> Tensor:
    """Windowed cosines (MDCT) or sines (MDST) ``[2 * hop_samples, bins]`` float32.

    The cosines are orthonormal over overlapping frames, and so are the sines.
    """
    n = torch.arange(2 * hop_samples, dtype=torch.float64)[:, None]
    k = torch.arange(bins, dtype=torch.float64)[None, :]
    window = torch.sin(math.pi / (2 * hop_samples) * (n + 0.5))
    phase = math.pi / hop_samples * (n + 0.5 + hop_samples / 2) * (k + 0.5)
    return (math.sqrt(2 / hop_samples) * window * transform(phase)).float()


def rotate(stereo: Tensor) -> Tensor:
    """Left and right to mid and side, and back: the rotation is its own inverse."""
    left, right = (stereo * math.sqrt(0.5)).unbind(1)
    return torch.stack([left + right, left - right], dim=1)
