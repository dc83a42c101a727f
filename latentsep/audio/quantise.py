"""Float samples to the integer grid of a file."""

import numpy as np
import numpy.typing as npt

from latentsep.audio.waveform import Waveform
from latentsep.errors import NonFiniteAudioError

IntegerWaveform = npt.NDArray[np.int32]
"""``[channel, sample]`` int32 on a grid of 16 or 24 bits; full scale is ``2 ** (bits - 1)``."""


def quantise(block: Waveform, bit_depth: int) -> tuple[IntegerWaveform, int]:
    """Nearest integers of ``[channel, sample]`` float32, and how many samples clipped.

    Halves go to the even integer.

    Full scale 1.0 is ``2 ** (bit_depth - 1)``, one step above the largest integer, and clips.

    Raises:
        NonFiniteAudioError: a sample is NaN or infinite.
    """
    if not np.isfinite(block).all():
        frame = int(np.argmin(np.isfinite(block).all(axis=0)))
        raise NonFiniteAudioError(f"sample is NaN or infinite at frame {frame} of a block to write")
    full_scale = 2 ** (bit_depth - 1)
    # Scaling by a power of two is exact; float64 holds every result beyond full scale too.
    steps = np.rint(block.astype(np.float64) * full_scale)
    clipped = int(np.count_nonzero((steps < -full_scale) | (steps >= full_scale)))
    return np.clip(steps, -full_scale, full_scale - 1).astype(np.int32), clipped
