"""What a worker's queue does with one batch, and what happens when the device is lost over it."""

import logging
import os
import time
from collections.abc import Callable
from typing import Protocol

import torch

from latentsep.monitoring.definitions import (
    BATCH_FILL,
    BATCH_SIZE,
    DENOISER_CALLS,
    GPU_BUSY_SECONDS,
)
from latentsep.monitoring.recorder import NoRecorder, Recorder
from latentsep.separation.batching import WindowBatches, separate_within_memory
from latentsep.separation.windows import Window, WindowVocals

logger = logging.getLogger(__name__)
EXIT_DEVICE_LOST = 70


class DeviceBatches(WindowBatches, Protocol):
    """Batches on a device; ``Separator`` runs them."""

    @property
    def device(self) -> torch.device:
        """Where they run."""

    @property
    def calls_per_window(self) -> int:
        """Calls of the network for the chunks of one window, counted for each chunk."""


class WindowWork:
    """Runs batches of windows, in smaller ones where memory runs out.

    After some errors of a CUDA device (an illegal address, a failed assertion in a kernel, a fault
    of the hardware) every later call of the process fails. A process in this state would reject
    all further tracks, so it ends. The cluster starts a new worker and runs the blocks again; the
    tracks that were in flight count as started, so that one that is to blame is found.

    Args:
        separator: runs the batches.
        is_lost: whether nothing can be done with a device any more.
        end: ends the process.
        recorder: is told of each batch.
    """

    def __init__(
        self,
        separator: DeviceBatches,
        is_lost: "Callable[[torch.device], bool] | None" = None,
        end: "Callable[[int], object]" = os._exit,
        recorder: Recorder | None = None,
    ) -> None:
        self._separator = separator
        self._recorder = recorder or NoRecorder()
        self._is_lost = is_lost or is_cuda_lost
        self._end = end

    @property
    def batch_items(self) -> int:
        """Windows of one call; fewer after the device ran out of memory."""
        return self._separator.windows_per_call

    def run(self, items: list[Window]) -> list[WindowVocals]:
        """Separate them."""
        size, began_s = self.batch_items, time.perf_counter()
        try:
            vocals = separate_within_memory(self._separator, items)
        except RuntimeError:
            if self._is_lost(self._separator.device):
                logger.critical(
                    "event=device_lost device=%s: this worker ends, a new one takes over",
                    self._separator.device, exc_info=True,
                )  # fmt: skip
                self._end(EXIT_DEVICE_LOST)
            raise
        self._record(len(items), size, time.perf_counter() - began_s)
        return vocals

    def _record(self, windows: int, size: int, busy_s: float) -> None:
        self._recorder.count(GPU_BUSY_SECONDS, busy_s, self._separator.device.type)
        self._recorder.count(DENOISER_CALLS, windows * self._separator.calls_per_window)
        self._recorder.observe(BATCH_FILL, windows / size)
        self._recorder.set(BATCH_SIZE, self.batch_items)


def is_cuda_lost(device: torch.device) -> bool:
    """Whether every call of a CUDA device fails from now on; never so for another device."""
    if device.type != "cuda":
        return False
    try:
        torch.cuda.synchronize(device)
    except RuntimeError:
        return True
    return False
