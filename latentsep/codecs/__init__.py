"""Waveform <-> latents, one file per codec. A new one is a file and a line in ``CODECS``."""

from collections.abc import Callable

from latentsep.codecs.base import Codec
from latentsep.codecs.dac import DacCodec
from latentsep.codecs.encodec import EncodecMonoCodec, EncodecStereoCodec
from latentsep.codecs.identity import IdentityCodec
from latentsep.codecs.mdct import MdctCodec
from latentsep.codecs.stft_ae import StftAeCodec

CODECS: dict[str, Callable[..., Codec]] = {
    "dac_44khz": DacCodec,
    "encodec_24khz": EncodecMonoCodec,
    "encodec_48khz": EncodecStereoCodec,
    "identity": IdentityCodec,
    "mdct": MdctCodec,
    "stft_ae": StftAeCodec,
}

__all__ = ["CODECS", "Codec"]
