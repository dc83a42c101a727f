"""From one frame rate to another: means and repetitions, with a convolution for the channels.

Between levels of one rate and one width there is nothing.
"""

from torch import nn


def shrink(fine: int, coarse: int, factor: int) -> nn.Module:
    """``[item, fine, frame]`` -> ``[item, coarse, frame / factor]``."""
    if fine == coarse and factor == 1:
        return nn.Identity()
    return nn.Sequential(nn.AvgPool1d(factor), nn.Conv1d(fine, coarse, 1))


def grow(coarse: int, fine: int, factor: int) -> nn.Module:
    """``[item, coarse, frame]`` -> ``[item, fine, frame * factor]``."""
    if fine == coarse and factor == 1:
        return nn.Identity()
    return nn.Sequential(nn.Conv1d(coarse, fine, 1), nn.Upsample(scale_factor=factor))
