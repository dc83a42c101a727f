"""How much a device calculates at most, and how much a network asks of it."""

import time
from collections.abc import Callable
from functools import partial

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

_LARGEST = {"cuda": 8192}
_OTHER_LARGEST = 2048
_SMALLEST = 256
_LONG_ENOUGH_S = 0.1
_PRODUCTS = 5


def measure_peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations per second of square matrix products, best of 5 of each size.

    They grow until one takes a while: a CPU that emulates a type would take minutes for the last.
    On CUDA float32 means what convolutions make of it, TF32 where cuDNN may.
    """
    if device.type == "cuda" and torch.backends.cudnn.allow_tf32:
        torch.set_float32_matmul_precision("high")
    peak_flops, time_s, size = 0.0, 0.0, _SMALLEST
    while time_s < _LONG_ENOUGH_S and size <= _LARGEST.get(device.type, _OTHER_LARGEST):
        matrix = torch.full((size, size), 0.5, dtype=dtype, device=device)
        time_s = best_time_s(partial(torch.mm, matrix, matrix), device, _PRODUCTS)
        peak_flops = max(peak_flops, 2 * size**3 / time_s)
        size *= 2
    return peak_flops


def best_time_s(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Seconds of the fastest of several calls, after one that is not counted."""
    times_s = []
    for _ in range(1 + repeats):
        began = time.perf_counter()
        work()
        _wait_for(device)
        times_s.append(time.perf_counter() - began)
    return min(times_s[1:])


def _wait_for(device: torch.device) -> None:
    """Calls return before a GPU has done its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def count_macs(work: Callable[[], object]) -> int:
    """Multiply-adds of the convolutions and matrix products of a piece of work.

    Everything else, such as norms and activations, is not counted.
    """
    # Only the plain form of attention is made of products that are counted on every device.
    with (
        torch.inference_mode(),
        torch.compiler.set_stance("force_eager"),
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
    ):
        work()
    flops: int = counter.get_total_flops()
    return flops // 2
