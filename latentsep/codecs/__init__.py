"""Waveform <-> latents, one file per codec. A new one is a file and a line in ``CODECS``."""

from collections.abc import Callable

from latentsep.codecs.base import Codec
from latentsep.codecs.identity import IdentityCodec
from latentsep.codecs.mdct import MdctCodec

CODECS: dict[str, Callable[..., Codec]] = {"identity": IdentityCodec, "mdct": MdctCodec}

__all__ = ["CODECS", "Codec"]
