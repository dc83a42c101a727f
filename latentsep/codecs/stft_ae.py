"""A small learned codec: complex lapped frames in, a compact latent, MDCT frames out.

The input is the oddly stacked short-time Fourier transform with a sine window (MCLT, Malvar, IEEE
Signal Processing Letters 1999), whose real part is the MDCT: from magnitude and phase at once a
network reads more than from the MDCT's signs. The output is the MDCT alone, which is orthonormal:
an error there is the same error in the waveform, so training needs no inverse transform.

Encoder and decoder are homogeneous: a waveform times ``g`` has latents times ``g``, and silence has
none. Both see their input divided by its own local level, and their output is multiplied by it.
Everything is local, so windows join without seams.
"""

import torch
from torch import Tensor, nn

from latentsep.codecs.base import check_latents, check_numbers, check_waveform
from latentsep.codecs.level import local_power
from latentsep.codecs.mdct import MdctCodec, lapped_basis, lapped_frames, rotate
from latentsep.denoisers.unet1d import FrameNorm

POWER_FLOOR = 1e-10
"""Local power of whitened spectra below which a frame counts as silent, 100 dB below a song."""


class FrameStack(nn.Module):
    """Residual convolutions over frames beside a linear path; the last layer starts at zero."""

    def __init__(self, inputs: int, linear: int, outputs: int, width: int, blocks: int) -> None:
        super().__init__()
        self.linear_inputs = linear
        self.linear = nn.Conv1d(linear, outputs, 1, bias=False)
        self.conv_in = nn.Conv1d(inputs, width, 3, padding=1)
        self.blocks = nn.ModuleList(_ConvBlock(width) for _ in range(blocks))
        self.norm_out = FrameNorm(width)
        self.conv_out = nn.Conv1d(width, outputs, 3, padding=1)
        self.radius_frames = 2 + 2 * blocks
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """``[item, input, frame]`` -> ``[item, output, frame]``."""
        hidden = self.conv_in(x)
        for block in self.blocks:
            hidden = block(hidden)
        added: Tensor = self.conv_out(nn.functional.silu(self.norm_out(hidden)))
        linear: Tensor = self.linear(x[:, : self.linear_inputs])
        return added + linear


class _ConvBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm_in = FrameNorm(width)
        self.conv_in = nn.Conv1d(width, width, 3, padding=1)
        self.norm_out = FrameNorm(width)
        self.conv_out = nn.Conv1d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.conv_in(nn.functional.silu(self.norm_in(x)))
        added: Tensor = self.conv_out(nn.functional.silu(self.norm_out(hidden)))
        return x + added


class StftAeCodec(nn.Module):
    """Stereo waveform <-> learned latents ``[latent_channel, frame]``.

    Args:
        mid_bins: bins of mid that are kept, from 0 Hz; ``side_bins``: of side.
        latent_channels: of mid and side together.
        width: channels inside encoder and decoder; ``blocks``: residual blocks in each.
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
        hop_samples: int = 512,
        mid_bins: int = 192,
        side_bins: int = 128,
        latent_channels: int = 128,
        width: int = 256,
        blocks: int = 3,
        level_radius_frames: int = 4,
    ) -> None:
        super().__init__()
        self.mdct = MdctCodec(sample_rate_hz, hop_samples, mid_bins, side_bins)
        check_numbers(latent_channels=latent_channels, width=width, blocks=blocks)
        self.sample_rate_hz = sample_rate_hz
        self.hop_samples = hop_samples
        self.latent_channels = latent_channels
        self.level_radius_frames = level_radius_frames
        self.bandwidth_hz = self.mdct.bandwidth_hz
        bins = self.mdct.latent_channels
        self.encoder = FrameStack(2 * bins, bins, latent_channels, width, blocks)
        self.decoder = FrameStack(latent_channels, latent_channels, bins, width, blocks)
        self.reach_frames = 1 + level_radius_frames + self.encoder.radius_frames
        sines = lapped_basis(hop_samples, mid_bins, torch.sin)
        self.register_buffer("sines", sines, persistent=False)
        self.register_buffer("bin_scale", torch.ones(bins, 1))
        self.register_buffer("band_centres_hz", torch.full((latent_channels,), sample_rate_hz / 2))

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
        return self._levelled(self.encoder, spectra)

    def expand(self, latents: Tensor) -> Tensor:
        """Latents ``[item, latent_channel, frame]`` -> whitened MDCT ``[item, bin, frame]``."""
        return self._levelled(self.decoder, latents)

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

    def _levelled(self, stack: FrameStack, x: Tensor) -> Tensor:
        power = local_power(x, self.level_radius_frames)
        level = power.clamp(min=POWER_FLOOR).sqrt()
        levelled: Tensor = stack(x / level).float()
        return levelled * torch.where(power > POWER_FLOOR, level, 0)
