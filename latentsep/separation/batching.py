"""How many chunks go through the network at once: as many as the device's memory takes."""

import logging
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Protocol

import torch

from latentsep.errors import DeviceMemoryError
from latentsep.separation.windows import Window, WindowVocals

logger = logging.getLogger(__name__)
MAX_BATCH_CHUNKS = 64
"""Beyond this a data-centre GPU gains nothing, and tracks wait longer for a batch to fill."""
MEMORY_SHARE = 0.8
"""Of the free memory: longer windows of many channels and fragmentation need the rest."""
_MEASURED_CHUNKS = (1, 2, 4)


class DeviceMemory(Protocol):
    """The memory of one device."""

    def free_bytes(self) -> int:
        """What could still be allocated."""

    def peak_bytes(self, work: Callable[[], object]) -> int:
        """Run a piece of work; the most that it held at once beyond what was held before.

        Raises:
            torch.OutOfMemoryError: it did not fit.
        """


class CudaMemory:
    """The memory of a CUDA device, as its driver and torch's allocator count it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def free_bytes(self) -> int:
        """What the driver has left once torch gave back what it only caches."""
        torch.cuda.empty_cache()
        return torch.cuda.mem_get_info(self._device)[0]

    def peak_bytes(self, work: Callable[[], object]) -> int:
        """The peak of what the allocator reserved, which is what others cannot have."""
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(self._device)
        before_bytes = torch.cuda.memory_reserved(self._device)
        work()
        torch.cuda.synchronize(self._device)
        return torch.cuda.max_memory_reserved(self._device) - before_bytes


class WindowBatches(Protocol):
    """What runs windows, as far as batches are concerned; ``Separator`` does."""

    @property
    def batch_chunks(self) -> int:
        """Chunks per call of the network."""

    @property
    def windows_per_call(self) -> int:
        """Windows that fill one batch."""

    def separate_windows(self, windows: list[Window]) -> list[WindowVocals]:
        """What came of windows, in their order."""

    def shrink_batch(self) -> bool:
        """Halve the batch; False where nothing is left to halve."""


def find_batch_chunks(trial: Callable[[int], object], memory: DeviceMemory) -> int:
    """The largest power of two, up to ``MAX_BATCH_CHUNKS``, whose batch fits into the memory.

    The peaks of small batches tell what a chunk costs; one call at the size found confirms it.

    Args:
        trial: runs the work of one batch of so many chunks.
        memory: of the device it runs on.
    """
    budget_bytes = int(memory.free_bytes() * MEMORY_SHARE)
    peaks = _small_peaks(trial, memory)
    batch_chunks = _predicted(peaks, budget_bytes)
    while batch_chunks > 1 and batch_chunks not in peaks:
        peak_bytes = _peak(trial, memory, batch_chunks)
        if peak_bytes is not None and peak_bytes <= budget_bytes:
            break
        batch_chunks //= 2
    logger.info("batch_chunks=%d budget_bytes=%d", batch_chunks, budget_bytes)
    return batch_chunks


def separate_within_memory(
    separator: WindowBatches, windows: Sequence[Window]
) -> list[WindowVocals]:
    """Separate windows; where the device's memory runs out, in smaller batches from then on.

    Raises:
        DeviceMemoryError: not even one chunk at a time fits.
    """
    done: list[WindowVocals] = []
    while len(done) < len(windows):
        batch = list(windows[len(done) : len(done) + separator.windows_per_call])
        outcome = _attempt(separator, batch)
        if outcome is None:
            _shrink(separator)
        else:
            done += outcome
    return done


def _attempt(separator: WindowBatches, batch: list[Window]) -> list[WindowVocals] | None:
    """What came of a batch, or None where it did not fit; returning frees what the error holds."""
    try:
        return separator.separate_windows(batch)
    except torch.OutOfMemoryError as error:
        reason = str(error).partition("\n")[0]
        logger.warning(
            "event=out_of_memory batch_chunks=%d windows=%d reason=%r",
            separator.batch_chunks, len(batch), reason,
        )  # fmt: skip
        return None


def _shrink(separator: WindowBatches) -> None:
    torch.cuda.empty_cache()
    if not separator.shrink_batch():
        raise DeviceMemoryError(
            "the device's memory is too small for one chunk at a time; end what else runs on it, "
            "take a shorter segment_s or fewer steps, or another device"
        )


def _small_peaks(trial: Callable[[int], object], memory: DeviceMemory) -> dict[int, int]:
    """Peaks in bytes by size of the batch, of those small ones that fit."""
    peaks: dict[int, int] = {}
    for batch_chunks in _MEASURED_CHUNKS:
        peak_bytes = _peak(trial, memory, batch_chunks)
        if peak_bytes is None:
            break
        peaks[batch_chunks] = peak_bytes
    return peaks


def _predicted(peaks: dict[int, int], budget_bytes: int) -> int:
    """The largest size whose peak, going on as it grew most steeply, stays in the budget."""
    sizes = list(peaks)
    slopes = [(peaks[large] - peaks[small]) / (large - small) for small, large in pairwise(sizes)]
    if len(sizes) < len(_MEASURED_CHUNKS):
        fitting = [size for size in sizes if peaks[size] <= budget_bytes]
        return max(fitting, default=1)
    batch_chunks = 1
    while batch_chunks < MAX_BATCH_CHUNKS:
        wanted = 2 * batch_chunks
        if peaks[1] + max(slopes) * (wanted - 1) > budget_bytes:
            break
        batch_chunks = wanted
    return batch_chunks


def _peak(trial: Callable[[int], object], memory: DeviceMemory, batch_chunks: int) -> int | None:
    """Peak in bytes of one call, or None where it does not fit."""
    try:
        return memory.peak_bytes(lambda: trial(batch_chunks))
    except torch.OutOfMemoryError:
        return None
