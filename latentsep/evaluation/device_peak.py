"""How much a device calculates at most, and how much a network asks of it."""

import time
from collections.abc import Callable

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

_SIZES = {"cuda": 8192}
_OTHER_SIZE = 2048
_PRODUCTS = 5


def measure_peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations per second of a large square matrix product, best of 5.

    On CUDA float32 means what convolutions make of it, TF32 where cuDNN may.
    """
    size = _SIZES.get(device.type, _OTHER_SIZE)
    if device.type == "cuda" and torch.backends.cudnn.allow_tf32:
        torch.set_float32_matmul_precision("high")
    left, right = (torch.full((size, size), 0.5, dtype=dtype, device=device) for _ in range(2))
    return 2 * size**3 / best_time_s(lambda: left @ right, device, _PRODUCTS)


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
