"""How loud latents are around each frame."""

import torch
from torch import Tensor, nn


def local_power(latents: Tensor, radius_frames: int) -> Tensor:
    """Mean square over channels under a triangular window of frames.

    ``[item, channel, frame]`` -> ``[item, 1, frame]``; beyond the ends lies silence.
    """
    power = latents.square().mean(dim=1, keepdim=True)
    rising = torch.arange(1, radius_frames + 2, device=latents.device, dtype=latents.dtype)
    window = torch.cat([rising, rising[:-1].flip(0)])
    window = (window / window.sum())[None, None]
    # One item at a time: a convolution of one and of many differ in the last bit.
    smooth = [nn.functional.conv1d(item[None], window, padding=radius_frames) for item in power]
    return torch.cat(smooth)
