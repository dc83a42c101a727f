"""DAC (Kumar et al., "High-Fidelity Audio Compression with Improved RVQGAN", arXiv 2306.06546)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from latentsep.codecs.mono import MonoCodec
from latentsep.codecs.transformers_codec import changed_architecture

DAC_44KHZ: Mapping[str, Any] = {
    "sampling_rate": 44_100,
    "encoder_hidden_size": 64,
    "downsampling_ratios": [2, 4, 8, 8],
    "decoder_hidden_size": 1536,
}
"""The sizes of descript/dac_44khz."""

_KERNEL_RADIUS_SAMPLES = 3
_UNITS_RADIUS_SAMPLES = 3 * (1 + 3 + 9)
"""Of the three residual units beside each change of rate: kernels of 7, dilated by 1, 3 and 9."""


class DacCodec(MonoCodec):
    """DAC of mono waveforms, used twice for stereo, continuous latents; see ``MonoCodec``.

    Convolutions alone, so its reach is exact. The decoder ends in a hyperbolic tangent: no pass
    leaves full scale.

    Args:
        architecture: changes of ``DAC_44KHZ``.
        stereo: ``mid_side`` or ``left_right``.

    Raises:
        ValueError: impossible options.
        ModelError: transformers is not installed.
    """

    exact_reach = True
    homogeneous = False

    def __init__(
        self, architecture: Mapping[str, Any] | None = None, stereo: str = "mid_side"
    ) -> None:
        changed = changed_architecture(DAC_44KHZ, architecture)
        ratios = changed["downsampling_ratios"]
        if any(ratio % 2 for ratio in ratios):
            raise ValueError(
                f"downsampling_ratios must be even, or hops do not come back whole, got {ratios}"
            )
        super().__init__("Dac", changed, stereo)
        self.reach_frames = dac_reach_frames(ratios)


def dac_reach_frames(downsampling_ratios: Sequence[int]) -> int:
    """Frames by which a change travels through the encoder or the decoder, whichever is more.

    The decoder's first convolution works on frames, so it is the decoder. Each step up by ``ratio``
    has a kernel of ``2 * ratio``, one and a half steps on the far side.
    """
    step_samples = math.prod(downsampling_ratios)
    hop_samples = step_samples
    reach_samples = _KERNEL_RADIUS_SAMPLES * hop_samples + _KERNEL_RADIUS_SAMPLES
    for ratio in reversed(downsampling_ratios):
        reach_samples += 3 * step_samples // 2
        step_samples //= ratio
        reach_samples += _UNITS_RADIUS_SAMPLES * step_samples
    return math.ceil(reach_samples / hop_samples)
