"""Stems that add up to the mixture, as floats and as integers."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from latentsep.audio.waveform import Waveform

Pcm = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Stems:
    """One stretch of a track split in two, ``[channel, sample]`` float32 at the track's rate."""

    mixture: Waveform
    vocals: Waveform

    @property
    def accompaniment(self) -> Waveform:
        """What the vocals leave of the mixture."""
        return self.mixture - self.vocals

    def on_grid(self, bit_depth: int) -> "IntegerStems":
        """Both stems as integers of ``bit_depth``, see ``split_integers``."""
        return split_integers(self.mixture, self.vocals, bit_depth)


@dataclass(frozen=True)
class IntegerStems:
    """Both stems on a grid of integers, ``[channel, sample]``, and what had to be held in range."""

    vocals: Pcm
    accompaniment: Pcm
    mixture_clipped_samples: int
    limited_samples: int


def split_integers(mixture: Waveform, vocals: Waveform, bit_depth: int) -> IntegerStems:
    """Stems on the grid of ``bit_depth`` whose integer sum is the mixture on that grid.

    A mixture decoded from PCM of at most ``bit_depth`` bits stands on the grid already, so the sum
    is the source, bit by bit. Where the accompaniment would leave the range, the vocals give way
    and the sum still holds; only a mixture beyond full scale (a lossy or float source) is clipped.
    """
    full = 2 ** (bit_depth - 1)
    whole = np.rint(mixture.astype(np.float64) * full)
    held = np.clip(whole, -full, full - 1).astype(np.int64)
    voice = np.clip(np.rint(vocals.astype(np.float64) * full), -full, full - 1).astype(np.int64)
    rest = np.clip(held - voice, -full, full - 1)
    limited = held - rest
    return IntegerStems(
        vocals=limited.astype(np.int32),
        accompaniment=rest.astype(np.int32),
        mixture_clipped_samples=int(np.count_nonzero(whole != held)),
        limited_samples=int(np.count_nonzero(limited != voice)),
    )
