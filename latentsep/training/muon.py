"""Muon: momentum whose update is made orthogonal, for the kernels of convolutions."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from latentsep.training.precision import has_bfloat16

MOMENTUM = 0.95
ITERATIONS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the odd polynomial that brings singular values between 0.7 and 1.2 (Jordan et al. 2024)."""
RMS_LIKE_ADAM = 0.2
"""Scales an orthogonal update to the size AdamW's usually have, so that both share a learning rate
(Liu et al., Muon is Scalable for LLM Training, arXiv 2502.16982, eq. 4)."""


class Muon(torch.optim.Optimizer):
    """Steepest descent in the spectral norm (Jordan et al. 2024), with Nesterov momentum.

    A kernel ``[out, in, ...]`` counts as the matrix ``[out, in * ...]``. ``torch.optim.Muon`` takes
    nothing but matrices, which the kernels of convolutions are not.

    Args:
        parameters: kernels, of two or more axes.
        lr: learning rate, on AdamW's scale.
        weight_decay: as AdamW's.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float = 0.01
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of all kernels that have a gradient."""
        del closure
        for group in self.param_groups:
            for kernel in group["params"]:
                if kernel.grad is not None:
                    self._update(kernel, group["lr"], group["weight_decay"])

    def _update(self, kernel: Tensor, lr: float, weight_decay: float) -> None:
        gradient, state = kernel.grad, self.state[kernel]
        if not state:
            state["momentum"] = torch.zeros_like(kernel)
        state["momentum"].lerp_(gradient, 1 - MOMENTUM)
        matrix = torch.lerp(gradient, state["momentum"], MOMENTUM).flatten(1)  # type: ignore[arg-type]
        size = RMS_LIKE_ADAM * math.sqrt(max(matrix.shape))
        kernel.mul_(1 - lr * weight_decay)
        kernel.add_(orthogonal(matrix).view_as(kernel), alpha=-lr * size)


def orthogonal(matrix: Tensor) -> Tensor:
    """The nearest (semi-)orthogonal ``[row, column]``, roughly: singular values near 1.

    Newton-Schulz iterations in bfloat16, which these coefficients were chosen to stand, where the
    device has it.
    """
    a, b, c = COEFFICIENTS
    is_tall = matrix.shape[0] > matrix.shape[1]
    x: Tensor = matrix.T if is_tall else matrix
    x = x.bfloat16() if has_bfloat16(x.device) else x.float()
    x = x / (x.norm() + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if is_tall else x).to(matrix.dtype)
