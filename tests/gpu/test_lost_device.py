"""Needs a CUDA device and fails without one; `make test` leaves this folder out."""

import subprocess
import sys

import pytest
import torch

from latentsep.pipeline.window_work import is_cuda_lost

pytestmark = pytest.mark.gpu

BREAKS_ITS_DEVICE = """
import torch
from latentsep.pipeline.window_work import is_cuda_lost
device = torch.device("cuda")
try:
    torch.zeros(4, device=device)[torch.tensor([9], device=device)].cpu()
except RuntimeError:
    print(is_cuda_lost(device))
"""


def test_a_failed_assertion_in_a_kernel_loses_the_device_for_good():
    ended = subprocess.run(
        [sys.executable, "-c", BREAKS_ITS_DEVICE], capture_output=True, text=True, check=False
    )
    assert ended.stdout.strip() == "True", ended.stderr


def test_too_large_an_allocation_and_wrong_shapes_do_not_lose_it():
    device = torch.device("cuda")
    with pytest.raises(torch.OutOfMemoryError):
        torch.empty(2**50, dtype=torch.uint8, device=device)
    with pytest.raises(RuntimeError):
        torch.ones(2, 3, device=device) @ torch.ones(2, 3, device=device)
    assert not is_cuda_lost(device)
