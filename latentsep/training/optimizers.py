"""What changes the weights: AdamW, or Muon for the kernels and AdamW for the rest."""

import torch
from torch import nn

from latentsep.training.config import ScheduleConfig
from latentsep.training.muon import Muon

KERNEL_AXES = 3
"""Kernels of convolutions have output channels, input channels and taps. The few other parameters
of as many axes go with them."""


def make_optimizers(module: nn.Module, config: ScheduleConfig) -> list[torch.optim.Optimizer]:
    """The optimisers of a module's parameters; each parameter has one."""
    kernels: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for parameter in module.parameters():
        is_kernel = config.optimizer == "muon" and parameter.ndim >= KERNEL_AXES
        (kernels if is_kernel else others).append(parameter)
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(
            others, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
    ]
    if kernels:
        optimizers.append(Muon(kernels, config.learning_rate, config.weight_decay))
    return optimizers
