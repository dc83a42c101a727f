"""Whether a device can calculate in bfloat16 without emulating it."""

import platform

import torch

_X86 = ("x86_64", "AMD64")


def has_bfloat16(device: torch.device) -> bool:
    """Whether products in bfloat16 are at least as fast as in float32.

    A CPU without instructions for it emulates them: a convolution and its gradient take 2.5 times
    as long as in float32 with the rest of AVX-512, 20 times with AVX2 (docs/training.md).
    """
    if device.type != "cpu":
        return True
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    # The library says yes to all of AVX-512 as well.
    has_instructions = platform.machine() not in _X86 or torch.cpu._is_avx512_bf16_supported()
    return has_instructions and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
