"""Stems that add up to the mixture, as floats and as integers."""

from dataclasses import dataclass, replace

import numpy as np

from latentsep.audio.quantise import IntegerWaveform
from latentsep.audio.waveform import Waveform

BLOCK_SAMPLES = 1 << 14
"""Samples split at once: a block stays in the processor's cache, which is twice as fast."""


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

    vocals: IntegerWaveform
    accompaniment: IntegerWaveform
    mixture_clipped_samples: int
    limited_samples: int


def split_integers(mixture: Waveform, vocals: Waveform, bit_depth: int) -> IntegerStems:
    """Stems on the grid of ``bit_depth`` (at most 24) whose sum is the mixture on that grid.

    A mixture decoded from PCM of at most ``bit_depth`` bits stands on the grid already, so the sum
    is the source, bit by bit. Where the accompaniment would leave the range, the vocals give way
    and the sum still holds; only a mixture beyond full scale (a lossy or float source) is clipped.
    """
    stems = IntegerStems(np.empty(vocals.shape, np.int32), np.empty(vocals.shape, np.int32), 0, 0)
    clipped = limited = 0
    for start in range(0, vocals.shape[1], BLOCK_SAMPLES):
        block = (slice(None), slice(start, start + BLOCK_SAMPLES))
        counts = _split_block(mixture[block], vocals[block], bit_depth, stems, block)
        clipped, limited = clipped + counts[0], limited + counts[1]
    return replace(stems, mixture_clipped_samples=clipped, limited_samples=limited)


def _split_block(
    mixture: Waveform,
    vocals: Waveform,
    bit_depth: int,
    stems: IntegerStems,
    block: tuple[slice, slice],
) -> tuple[int, int]:
    # float32 holds every integer up to 2**24, so all of this is exact for up to 24 bits.
    full = np.float32(2 ** (bit_depth - 1))
    top = full - 1
    whole, wanted = np.rint(mixture * full), np.rint(vocals * full)
    held = np.clip(whole, -full, top)
    rest = np.clip(held - np.clip(wanted, -full, top), -full, top)
    kept = held - rest
    stems.vocals[block] = kept
    stems.accompaniment[block] = rest
    return int(np.count_nonzero(whole != held)), int(np.count_nonzero(kept != wanted))
