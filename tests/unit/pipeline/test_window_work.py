import subprocess
import sys

import pytest
import torch

from latentsep.pipeline.window_work import EXIT_DEVICE_LOST, WindowWork, is_cuda_lost

ENDS = """
import torch
from latentsep.pipeline.window_queue import WindowQueue
from latentsep.pipeline.window_work import WindowWork

class Broken:
    device = torch.device("cpu")
    batch_chunks = windows_per_call = 2

    def separate_windows(self, windows):
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

queue = WindowQueue(WindowWork(Broken(), is_lost=lambda device: True))
with queue.producing():
    queue.wait(queue.submit(1))
"""


class Failing:
    """A separator on a device whose batches fail."""

    device = torch.device("cpu")
    batch_chunks = windows_per_call = 2

    def __init__(self, error):
        self._error = error

    def separate_windows(self, windows):
        raise self._error

    def shrink_batch(self):
        return False


def test_a_worker_whose_device_is_lost_ends_at_once():
    ended = subprocess.run(
        [sys.executable, "-c", ENDS], timeout=60, capture_output=True, text=True, check=False
    )
    assert ended.returncode == EXIT_DEVICE_LOST
    assert "event=device_lost" in ended.stderr
    assert "device-side assert triggered" in ended.stderr


def test_an_error_that_leaves_the_device_alone_ends_nothing():
    ends = []
    work = WindowWork(Failing(RuntimeError("shapes differ")), lambda device: False, ends.append)
    with pytest.raises(RuntimeError, match="shapes differ"):
        work.run([1, 2])
    assert not ends


def test_other_devices_than_cuda_are_never_lost():
    assert not is_cuda_lost(torch.device("cpu"))
