"""Residual convolutions over bands and frames beside a linear path of each band."""

import torch
from torch import Tensor, nn

from latentsep.denoisers.band_blocks import BandNorm, ResidualBlock2d


class BandStack(nn.Module):
    """Image ``[item, plane, row, frame]`` to another; both have the same bands, of so many rows.

    Args:
        bands: how many.
        inputs: planes and rows of a band, of what comes in; ``outputs``: of what goes out.
        linear_planes: of the first planes that come in, for the linear path.
        width: channels of each band; ``blocks``: residual blocks.
    """

    def __init__(
        self,
        bands: int,
        inputs: tuple[int, int],
        outputs: tuple[int, int],
        linear_planes: int,
        width: int,
        blocks: int,
    ) -> None:
        super().__init__()
        self.bands = bands
        self.linear_planes = linear_planes
        self.output_planes, self.output_rows = outputs
        planes, self.input_rows = inputs
        overlap = max(1, self.input_rows // 2)
        self.linear = nn.Parameter(
            torch.zeros(bands, outputs[0] * outputs[1], linear_planes * self.input_rows)
        )
        self.conv_in = nn.Conv2d(
            planes,
            width,
            (self.input_rows + 2 * overlap, 3),
            stride=(self.input_rows, 1),
            padding=(overlap, 1),
        )
        self.places = nn.Parameter(torch.zeros(1, width, bands, 1))
        self.blocks = nn.Sequential(*(ResidualBlock2d(width) for _ in range(blocks)))
        self.norm_out = BandNorm(width)
        self.conv_out = nn.Conv2d(width, outputs[0] * outputs[1], 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)  # type: ignore[arg-type]
        self.radius_frames = 2 + blocks * ResidualBlock2d.radius_frames
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, image: Tensor) -> Tensor:
        """``[item, plane, band * row, frame]`` of inputs to that of outputs."""
        hidden = self.conv_in(image.contiguous(memory_format=torch.channels_last)) + self.places
        added = self.conv_out(nn.functional.silu(self.norm_out(self.blocks(hidden))))
        passed = torch.einsum("boi,nibt->nobt", self.linear, self.by_band(image))
        together = (added + passed).float()
        items, _, _, frames = image.shape
        rows: Tensor = together.reshape(
            items, self.output_planes, self.output_rows, self.bands, frames
        )
        return rows.transpose(2, 3).flatten(2, 3)

    def by_band(self, image: Tensor) -> Tensor:
        """Linear planes as ``[item, plane * row, band, frame]``."""
        items, _, _, frames = image.shape
        planes = image[:, : self.linear_planes]
        rows = planes.reshape(items, self.linear_planes, self.bands, self.input_rows, frames)
        return rows.transpose(2, 3).flatten(1, 2)
