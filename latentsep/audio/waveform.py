"""The array type all audio travels in, and seconds to samples in one place."""

import numpy as np
import numpy.typing as npt

Waveform = npt.NDArray[np.float32]
"""``[channel, sample]`` float32; full scale is -1..1."""


def samples_from_seconds(duration_s: float, sample_rate_hz: int) -> int:
    """Number of whole samples nearest to a duration; a half rounds to the even count."""
    return round(duration_s * sample_rate_hz)


def with_length(waveform: Waveform, samples: int) -> Waveform:
    """A waveform cut, or filled with silence at its end, to ``samples``."""
    missing = samples - waveform.shape[1]
    return np.pad(waveform, ((0, 0), (0, missing))) if missing > 0 else waveform[:, :samples]
