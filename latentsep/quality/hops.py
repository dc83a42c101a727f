"""Cuts a stream into hops of one length, wherever its blocks end."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from latentsep.audio.waveform import Waveform

HopBatch = npt.NDArray[np.float32]
"""``[row, hop, sample]`` float32."""
_BATCH_HOPS = 10
"""Hops given out at once: few enough to stay in the processor's cache, whatever the block."""


class HopCutter:
    """Holds what does not fill a hop yet.

    Args:
        rows: of the stream; the channels of all its signals.
        hop_samples: length of a hop.
    """

    def __init__(self, rows: int, hop_samples: int) -> None:
        self.hop_samples = hop_samples
        self.rest: Waveform = np.zeros((rows, 0), np.float32)

    def cut(self, block: Waveform) -> Iterator[HopBatch]:
        """Add ``[row, sample]``; all hops that are complete now, in order."""
        head = min((-self.rest.shape[1]) % self.hop_samples, block.shape[1])
        if head or not block.shape[1]:
            self.rest = np.concatenate([self.rest, block[:, :head]], axis=1)
            block = block[:, head:]
            if self.rest.shape[1] < self.hop_samples:
                return
            yield self.rest[:, None]
        end = block.shape[1] - block.shape[1] % self.hop_samples
        self.rest = block[:, end:].copy()
        step = _BATCH_HOPS * self.hop_samples
        for start in range(0, end, step):
            piece = block[:, start : min(start + step, end)]
            yield piece.reshape(len(piece), -1, self.hop_samples)
