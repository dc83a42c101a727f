"""Stereo through a mono codec: two passes, whose latents are stacked on channels."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from latentsep.codecs.base import check_latents, check_waveform, full_band
from latentsep.codecs.transformers_codec import TransformersCodec


class MonoCodec(TransformersCodec):
    """Stereo waveform <-> latents ``[2 * channels of one pass, frame]``.

    Args:
        family: see ``TransformersCodec``.
        architecture: see ``TransformersCodec``.
        stereo: what the passes see: ``mid_side`` or ``left_right``.

    Raises:
        ValueError: an unknown ``stereo``, or an impossible architecture.
        ModelError: transformers is not installed.
    """

    channels = 2
    extra_frames = 0
    exact_reach: bool
    homogeneous: bool
    reach_frames: int
    band_centres_hz: Tensor

    def __init__(self, family: str, architecture: Mapping[str, Any], stereo: str) -> None:
        if stereo not in STEREO:
            raise ValueError(f"stereo must be one of {', '.join(STEREO)}, got {stereo!r}")
        super().__init__(family, architecture)
        self._split, self._join = STEREO[stereo]
        self.latent_channels = 2 * self.hidden_channels
        self.register_buffer("band_centres_hz", full_band(self.latent_channels), persistent=False)

    def encode(self, waveform: Tensor) -> Tensor:
        """``[item, 2, hops * hop]`` -> ``[item, latent_channel, hops]``."""
        check_waveform(self, waveform)
        return torch.stack([self._encode_item(item) for item in self._split(waveform)])

    def decode(self, latents: Tensor) -> Tensor:
        """``[item, latent_channel, hops]`` -> ``[item, 2, hops * hop]``."""
        check_latents(self, latents)
        return self._join(torch.stack([self._decode_item(item) for item in latents]))

    # One pass at a time: recurrent layers of one row and of many differ in the last bits, and a
    # track's bits must not depend on its company.

    def _encode_item(self, passes: Tensor) -> Tensor:
        return torch.cat([self.encoder(one[None, None])[0] for one in passes])

    def _decode_item(self, latents: Tensor) -> Tensor:
        return torch.cat([self.decoder(one[None])[0] for one in latents.chunk(2)])


def _mid_side(left_right: Tensor) -> Tensor:
    # Halves, not the rotation by 45 degrees: the networks are not linear, and were trained on
    # waveforms within full scale.
    left, right = (left_right / 2).unbind(1)
    return torch.stack([left + right, left - right], dim=1)


def _left_right(mid_side: Tensor) -> Tensor:
    mid, side = mid_side.unbind(1)
    return torch.stack([mid + side, mid - side], dim=1)


def _as_it_is(stereo: Tensor) -> Tensor:
    return stereo


STEREO: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "mid_side": (_mid_side, _left_right),
    "left_right": (_as_it_is, _as_it_is),
}
"""Two ``[item, 2, sample]`` -> ``[item, 2, sample]``: to what is encoded, and back."""
