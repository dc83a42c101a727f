"""Networks that estimate clean latents. A new one is a file and a line in ``NETWORKS``."""

from collections.abc import Callable

from latentsep.denoisers.base import Condition, Network
from latentsep.denoisers.conditioned_unet1d import ConditionedUNet1d
from latentsep.denoisers.posterior_unet2d import PosteriorUNet2d
from latentsep.denoisers.unet1d import UNet1d
from latentsep.denoisers.unet2d import UNet2d

NETWORKS: dict[str, Callable[..., Network]] = {
    "conditioned_unet1d": ConditionedUNet1d,
    "posterior_unet2d": PosteriorUNet2d,
    "unet1d": UNet1d,
    "unet2d": UNet2d,
}

__all__ = ["NETWORKS", "Condition", "Network"]
