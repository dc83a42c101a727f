"""How much the stems depend on where chunks and windows start."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from latentsep.audio.waveform import Waveform
from latentsep.models.model import Model
from latentsep.separation.options import SeparationOptions
from latentsep.separation.separator import Separator


@dataclass(frozen=True)
class SeamReport:
    """Energy of a change in the vocals over the energy of the vocals; lower is better."""

    change: str
    difference_db: float


def measure_seams(
    model: Model, options: SeparationOptions, mixture: Waveform, sample_rate_hz: int
) -> Iterator[SeamReport]:
    """Shift the grid of chunks by leading silence, then cut other chunk lengths.

    The mixture is at the model's own rate, so that silence of whole strides moves nothing but the
    grid.

    Raises:
        ValueError: the mixture has another rate.
    """
    separator = Separator(model, options)
    if sample_rate_hz != separator.sample_rate_hz:
        raise ValueError(
            f"a mixture at {separator.sample_rate_hz} Hz is wanted, got {sample_rate_hz}"
        )
    vocals = separator.separate(mixture, sample_rate_hz).vocals
    stride_samples = separator.plan.stride_frames * separator.plan.hop_samples
    for strides in (1, 7, 100, 333):
        silence = np.zeros((len(mixture), strides * stride_samples), np.float32)
        moved = separator.separate(np.concatenate([silence, mixture], axis=1), sample_rate_hz)
        shifted = moved.vocals[:, silence.shape[1] :]
        yield SeamReport(f"grid shifted by {strides} strides", _difference_db(shifted, vocals))
    for segment_s in (10.0, 25.0):
        other = Separator(model, options.model_copy(update={"segment_s": segment_s}))
        cut = other.separate(mixture, sample_rate_hz).vocals
        yield SeamReport(f"chunks of {segment_s:.0f} s", _difference_db(cut, vocals))


def _difference_db(changed: Waveform, vocals: Waveform) -> float:
    change = float(np.sum(np.square(changed.astype(np.float64) - vocals)))
    energy = float(np.sum(np.square(vocals.astype(np.float64))))
    return 10 * math.log10(change / energy) if change and energy else -math.inf
