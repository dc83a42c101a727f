"""Whether a device can calculate in bfloat16 without emulating it."""

import torch


def has_bfloat16(device: torch.device) -> bool:
    """Whether products in bfloat16 are at least as fast as in float32.

    On a CPU without AVX-512, or its like, torch emulates them: 2.5 GFLOPS instead of 89 for
    matrices of 512 rows on one core of an AMD EPYC that was held to AVX2 (docs/training.md).
    """
    if device.type != "cpu":
        return True
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
