"""Latent-diffusion singing-voice separation for whole music catalogues.

``from latentsep import Separator`` needs torch; ``import latentsep`` alone needs neither torch nor
Ray.
"""

from typing import TYPE_CHECKING, Any

from latentsep.version import __version__

if TYPE_CHECKING:
    from latentsep.separation.separator import Separator

__all__ = ["Separator", "__version__"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562 lazy attribute
    if name == "Separator":
        from latentsep.separation.separator import Separator

        return Separator
    raise AttributeError(f"module 'latentsep' has no attribute {name!r}")
