"""A small learned codec: complex lapped frames in, a compact latent, MDCT frames out.

The input is the oddly stacked short-time Fourier transform with a sine window (MCLT, Malvar, IEEE
Signal Processing Letters 1999), whose real part is the MDCT: from magnitude and phase at once a
network reads more than from the MDCT's signs. The output is the MDCT alone, which is orthonormal:
an error there is the same error in the waveform, so training needs no inverse transform.

Both are convolutional over bands of bins as over frames: what is learned of one pitch serves all.
Latents are an image too, planes of bands, and lower bands have more planes, as voices have most of
their power there.

Encoder and decoder are homogeneous: a waveform times ``g`` has latents times ``g``, and silence has
none. Both see their input divided by its own local level, and their output is multiplied by it.
Everything is local, so windows join without seams.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from latentsep.codecs.band_stack import BandStack
from latentsep.codecs.base import check_latents, check_numbers, check_waveform
from latentsep.codecs.level import local_power
from latentsep.codecs.mdct import MdctCodec, lapped_basis, lapped_frames, rotate
from latentsep.denoisers.band_blocks import stack_planes, unstack_planes

POWER_FLOOR = 1e-10
"""Local power of whitened spectra below which a frame counts as silent, 100 dB below a song."""


class StftAeCodec(nn.Module):
    """Stereo waveform <-> learned latents ``[latent_channel, frame]``.

    Args:
        mid_bins: bins of mid that are kept, from 0 Hz; ``side_bins``: of side.
        planes: bands of each plane of latents, from 0 Hz, the first plane's the most.
        band_bins: bins of a band.
        width: channels of each band inside encoder and decoder; ``blocks``: residual blocks in
            each.
        level_radius_frames: frames on either side over which the level is measured.
    """

    channels = 2
    extra_frames = 1
    exact_reach = True
    homogeneous = True
    sines: Tensor
    bin_scale: Tensor
    band_centres_hz: Tensor

    def __init__(  # noqa: PLR0913 - the sizes of one network
        self,
        sample_rate_hz: int = 44_100,
        hop_samples: int = 1_024,
        mid_bins: int = 384,
        side_bins: int = 256,
        planes: Sequence[int] = (96, 64, 64, 48, 32, 32, 24, 24),
        band_bins: int = 4,
        width: int = 24,
        blocks: int = 2,
        level_radius_frames: int = 2,
    ) -> None:
        super().__init__()
        self.mdct = MdctCodec(sample_rate_hz, hop_samples, mid_bins, side_bins)
        check_numbers(band_bins=band_bins, width=width, blocks=blocks)
        self.bands = -(-mid_bins // band_bins)
        self.planes = tuple(planes)
        _check_planes(self.planes, self.bands, 2 * band_bins)
        self.sample_rate_hz = sample_rate_hz
        self.hop_samples = hop_samples
        self.latent_channels = sum(planes)
        self.level_radius_frames = level_radius_frames
        self.bandwidth_hz = self.mdct.bandwidth_hz
        bins, latents = (2, band_bins), (len(planes), 1)
        self.encoder = BandStack(self.bands, (4, band_bins), latents, 2, width, blocks)
        self.decoder = BandStack(self.bands, latents, bins, len(planes), width, blocks)
        self.reach_frames = 1 + level_radius_frames + self.encoder.radius_frames
        sines = lapped_basis(hop_samples, mid_bins, torch.sin)
        centres_hz = torch.full((self.latent_channels,), sample_rate_hz / 2)
        self.register_buffer("sines", sines, persistent=False)
        self.register_buffer("bin_scale", torch.ones(self.mdct.latent_channels, 1))
        self.register_buffer("band_centres_hz", centres_hz)

    def encode(self, waveform: Tensor) -> Tensor:
        """``[item, 2, hops * hop]`` -> ``[item, latent_channel, hops + 1]``."""
        check_waveform(self, waveform)
        # One item at a time: see MdctCodec.
        return torch.cat([self.compress(self.spectra(item[None])) for item in waveform])

    def decode(self, latents: Tensor) -> Tensor:
        """``[item, latent_channel, hops + 1]`` -> ``[item, 2, hops * hop]``."""
        check_latents(self, latents)
        spectra = torch.cat([self.expand(item[None]) for item in latents])
        return self.mdct.decode(spectra / self.bin_scale)

    def spectra(self, waveform: Tensor) -> Tensor:
        """Whitened MCLT ``[item, 2 * (mid_bins + side_bins), hops + 1]``, the MDCT first."""
        mid, side = lapped_frames(rotate(waveform), self.hop_samples).unbind(1)
        parts = [
            part
            for basis in (self.mdct.basis, self.sines)
            for part in (mid @ basis, side @ basis[:, : self.mdct.side_bins])
        ]
        return torch.cat(parts, dim=2).transpose(1, 2) * self.bin_scale.repeat(2, 1)

    def compress(self, spectra: Tensor) -> Tensor:
        """Whitened MCLT ``[item, bin, frame]`` -> latents ``[item, latent_channel, frame]``."""
        x, level = self._levelled(spectra)
        return unstack_planes(self.encoder(self.image(x)), self.planes) * level

    def expand(self, latents: Tensor) -> Tensor:
        """Latents ``[item, latent_channel, frame]`` -> whitened MDCT ``[item, bin, frame]``."""
        x, level = self._levelled(latents)
        bins = self.decoder(stack_planes(x, self.planes, self.bands))
        return unstack_planes(bins, (self.mdct.mid_bins, self.mdct.side_bins)) * level

    def image(self, spectra: Tensor) -> Tensor:
        """``[item, bin, frame]`` of MDCT, or of MCLT, -> ``[item, plane, row, frame]``."""
        bins = (self.mdct.mid_bins, self.mdct.side_bins)
        planes = bins * (spectra.shape[1] // sum(bins))
        return stack_planes(spectra, planes, self.bands * self.encoder.input_rows)

    @torch.no_grad()
    def start_linear(self, spectra: Tensor) -> None:
        """Set the linear paths to each band's principal components in whitened MDCT spectra."""
        rows = self.encoder.by_band(self.image(spectra)).permute(2, 0, 3, 1).flatten(1, 2).double()
        _, vectors = torch.linalg.eigh(rows.transpose(1, 2) @ rows)
        largest = vectors.flip(2)[:, :, : len(self.planes)].float()  # eigenvalues ascend
        self.encoder.linear.copy_(largest.transpose(1, 2))
        self.decoder.linear.copy_(largest)

    @torch.no_grad()
    def measure_bands(self) -> None:
        """Set ``band_centres_hz`` to the centroid of what each channel alone decodes to."""
        reach = self.decoder.radius_frames + self.level_radius_frames
        one_each = torch.eye(self.latent_channels, device=self.bin_scale.device)
        pulses = nn.functional.pad(one_each[:, :, None], (reach, reach))
        spectra = self.expand(pulses) / self.bin_scale
        energy = spectra.square().sum(dim=2)
        weighted = (energy * self.mdct.band_centres_hz).sum(dim=1)
        self.band_centres_hz.copy_(weighted / energy.sum(dim=1))

    def _levelled(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Divided by the local level, and that level; none where there is silence."""
        power = local_power(x, self.level_radius_frames)
        level = power.clamp(min=POWER_FLOOR).sqrt()
        return x / level, torch.where(power > POWER_FLOOR, level, 0)


def _check_planes(planes: tuple[int, ...], bands: int, bins: int) -> None:
    if not planes or planes[0] > bands or min(planes) < 1 or list(planes) != sorted(planes)[::-1]:
        raise ValueError(
            f"planes must be at least one count of bands, 1 to {bands}, none above the one before, "
            f"got {list(planes)}"
        )
    if len(planes) > bins:
        raise ValueError(
            f"a band has {bins} bins of mid and side and can have no more planes, got {len(planes)}"
            f": {list(planes)}; take fewer planes or larger bands"
        )
