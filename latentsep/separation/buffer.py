"""Samples of a stream, addressed by their absolute place."""

import numpy as np

from latentsep.audio.waveform import Waveform


class SampleBuffer:
    """Keeps what was appended and not yet dropped; what lies outside reads as silence."""

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self.begin = 0
        self.end = 0
        self._blocks: list[tuple[int, Waveform]] = []

    def append(self, block: Waveform) -> None:
        """Add ``[channel, sample]`` at the end."""
        if block.shape[1]:
            self._blocks.append((self.end, block.copy()))
            self.end += block.shape[1]

    def read(self, start: int, stop: int) -> Waveform:
        """``[channel, stop - start]``; places before 0 and past the end are silent."""
        piece = np.zeros((self.channels, stop - start), np.float32)
        for place, block in self._blocks:
            first, last = max(start, place), min(stop, place + block.shape[1])
            if first < last:
                piece[:, first - start : last - start] = block[:, first - place : last - place]
        return piece

    def drop_before(self, place: int) -> None:
        """Forget whole blocks that end at or before a place."""
        self._blocks = [(p, b) for p, b in self._blocks if p + b.shape[1] > place]
        self.begin = max(self.begin, place)
