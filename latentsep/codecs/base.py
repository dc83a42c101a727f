"""What every codec offers."""

import math
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

SPILL_LIMIT_DB = -60.0
"""Energy that a change moves beyond an inexact reach, over all that it moves."""


@runtime_checkable
class Codec(Protocol):
    """Waveform ``[item, channel, sample]`` <-> latents ``[item, latent_channel, frame]``.

    A waveform of ``n`` hops gives ``n + extra_frames`` latent frames, and those give the ``n`` hops
    back. Frame ``f`` depends on samples ``(f - reach_frames) * hop_samples`` up to
    ``(f + 1 + reach_frames) * hop_samples`` only, and the other way round, so that a window with
    that much context on both sides, for each of the two ways, decodes to what the whole track
    would. Nothing above ``bandwidth_hz`` survives the round trip.

    ``band_centres_hz`` ``[latent_channel]`` says where in the spectrum each channel lies; infinity
    for one that holds the full band.

    The latents of a ``homogeneous`` codec are as many times louder as the waveform is, and silence
    has none; those of others have means and do not scale.

    Without ``exact_reach`` a change goes further, but of all that it moves less than
    ``SPILL_LIMIT_DB`` lies beyond ``reach_frames``.
    """

    sample_rate_hz: int
    channels: int
    hop_samples: int
    latent_channels: int
    extra_frames: int
    reach_frames: int
    exact_reach: bool
    homogeneous: bool
    bandwidth_hz: float
    band_centres_hz: Tensor

    def encode(self, waveform: Tensor) -> Tensor:
        """``[item, channel, sample]`` -> ``[item, latent_channel, frame]``, both float32.

        Raises:
            ValueError: the waveform's channels differ, or its length is not a multiple of the hop.
        """
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """``[item, latent_channel, frame]`` -> ``[item, channel, sample]``, both float32.

        Raises:
            ValueError: the latents' channels are not this codec's.
        """
        ...


def full_band(latent_channels: int) -> Tensor:
    """``band_centres_hz`` of a codec whose channels all hold the full band."""
    return torch.full((latent_channels,), math.inf)


def check_numbers(**numbers: int) -> None:
    """Refuse rates, counts and lengths that are not whole numbers of at least 1."""
    wrong = {n: value for n, value in numbers.items() if not isinstance(value, int) or value < 1}
    if wrong:
        raise ValueError(f"whole numbers of at least 1 are wanted, got {wrong}")


def check_waveform(codec: Codec, waveform: Tensor) -> None:
    """Refuse a waveform that the codec cannot cut into whole frames."""
    _, channels, samples = waveform.shape
    if channels != codec.channels or samples % codec.hop_samples or samples == 0:
        raise ValueError(
            f"a waveform [item, {codec.channels}, multiple of {codec.hop_samples} samples] is "
            f"wanted, got {list(waveform.shape)}; pad it to whole hops first"
        )


def check_latents(codec: Codec, latents: Tensor) -> None:
    """Refuse latents that were made by another codec."""
    _, channels, frames = latents.shape
    if channels != codec.latent_channels or frames <= codec.extra_frames:
        raise ValueError(
            f"latents [item, {codec.latent_channels}, more than {codec.extra_frames} frames] are "
            f"wanted, got {list(latents.shape)}; were they made by another codec?"
        )
