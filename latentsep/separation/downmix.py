"""Any number of channels to the two a model listens to."""

import torch
from torch import Tensor

_HALF = 0.5**0.5
_L, _R, _C, _OFF = (1.0, 0.0), (0.0, 1.0), (_HALF, _HALF), (0.0, 0.0)
_SL, _SR = (_HALF, 0.0), (0.0, _HALF)
LAYOUTS: dict[int, list[tuple[float, float]]] = {
    1: [(1.0, 1.0)],
    3: [_L, _R, _C],
    4: [_L, _R, _SL, _SR],
    5: [_L, _R, _C, _SL, _SR],
    6: [_L, _R, _C, _OFF, _SL, _SR],
    8: [_L, _R, _C, _OFF, _SL, _SR, _SL, _SR],
}
"""Gains to left and right of the usual layouts (WAVE_FORMAT_EXTENSIBLE order), after ITU-R BS.775:
centre and surrounds at -3 dB, low-frequency channel left out."""


def downmix(mixture: Tensor) -> Tensor:
    """``[channel, sample]`` -> ``[2, sample]``; unusual layouts go to both sides as their mean."""
    channels = len(mixture)
    if channels == 2:
        return mixture
    gains = LAYOUTS.get(channels, [(1 / channels, 1 / channels)] * channels)
    matrix = torch.tensor(gains, dtype=mixture.dtype, device=mixture.device).T
    return matrix @ mixture
