"""Networks that estimate clean latents. A new one is a file and a line in ``NETWORKS``."""

from collections.abc import Callable

from latentsep.denoisers.base import Condition, Network
from latentsep.denoisers.unet1d import UNet1d

NETWORKS: dict[str, Callable[..., Network]] = {"unet1d": UNet1d}

__all__ = ["NETWORKS", "Condition", "Network"]
