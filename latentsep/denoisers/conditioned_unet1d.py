"""The network of arXiv 2511.21342: a small generator, told by a large conditioner.

The conditioner reads the mixture once and says at several frame rates what it found; the generator
denoises, told of that at its deepest levels. What the paper leaves open is listed in docs/paper.md.
"""

from typing import Any, Literal

from torch import Tensor, nn

from latentsep.denoisers.base import Condition
from latentsep.denoisers.conditioner import Conditioner
from latentsep.denoisers.generator import Generator
from latentsep.denoisers.receptive_radius import receptive_radius_frames
from latentsep.denoisers.sizes import Sizes
from latentsep.denoisers.unet1d import lay_over, skipped


class ConditionedUNet1d(nn.Module):
    """Generator and conditioner, as ``Network`` says.

    It is local with ``norm="frame"``, no attention and no transformer layers; its radius is exact
    then. Otherwise a frame depends on its whole chunk, however long that is, and no context is
    enough for chunks to agree. Without ``context_frames`` they get the reach of the convolutions,
    which at least keeps the ends of chunks, where those see silence, out of the result.

    Args:
        latent_channels: channels of state, mixture and output.
        skip: what the head's mask is laid over, see ``UNet1d``; None: the network's output is the
            estimate, as in the paper.
        context_frames: least context of a chunk; not for a local network, whose radius is known.
        sizes: see ``Sizes``.

    Raises:
        ValueError: impossible options.
        TypeError: unknown options.
    """

    def __init__(
        self,
        latent_channels: int,
        skip: Literal["state", "mixture"] | None = None,
        context_frames: int | None = None,
        **sizes: Any,  # noqa: ANN401 - checked by Sizes
    ) -> None:
        super().__init__()
        if skip not in ("state", "mixture", None):
            raise ValueError(f"skip must be 'state', 'mixture' or None, got {skip!r}")
        checked = Sizes(latent_channels, **sizes)
        self.local = checked.local
        self.stride_frames = checked.stride_frames
        self.receptive_radius_frames = _context(checked, context_frames)
        self.skip = skip
        self.generator = Generator(checked, latent_channels * (2 if skip else 1))
        self.conditioner = Conditioner(checked)

    def condition(self, mixture: Tensor) -> Condition:
        """The mixture, two clean estimates, and features to inject."""
        estimates, injected = self.conditioner(mixture)
        return (mixture, *estimates, *injected)

    def regress(self, condition: Condition) -> tuple[Tensor, ...]:
        """The estimates at the conditioner's bottleneck and at its decoder's output."""
        return tuple(condition[1:3])

    def log_variance(self, condition: Condition) -> None:
        """It does not say."""
        del condition

    def forward(self, state: Tensor, condition: Condition, sigma: Tensor) -> Tensor:
        """Estimate as ``Network`` says."""
        mixture, injected = condition[0], condition[3:]
        output: Tensor = self.generator(state, injected, sigma).float()
        if self.skip is None:
            return output
        return lay_over(skipped(self.skip, state, mixture, sigma), output)


def _context(sizes: Sizes, context_frames: int | None) -> int:
    if context_frames is None:
        return receptive_radius_frames(sizes)
    if sizes.local or context_frames < 0:
        raise ValueError(
            "context_frames must be 0 or more, and left out of a local network, whose radius is "
            f"{receptive_radius_frames(sizes)} frames; got {context_frames}"
        )
    return context_frames
