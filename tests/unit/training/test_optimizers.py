"""Which optimiser a parameter has."""

import pytest
import torch
from torch import nn

from latentsep.training.config import DataConfig, ScheduleConfig
from latentsep.training.muon import Muon
from latentsep.training.optimizers import make_optimizers


def parameters_of(optimizer: torch.optim.Optimizer) -> set[int]:
    return {id(p) for group in optimizer.param_groups for p in group["params"]}


@pytest.fixture
def module() -> nn.Module:
    return nn.Sequential(nn.Conv1d(4, 8, 3), nn.LayerNorm(8), nn.Linear(8, 8), nn.Conv2d(8, 8, 3))


def config(optimizer: str) -> ScheduleConfig:
    return ScheduleConfig(data=DataConfig(), duration_s=1.0, optimizer=optimizer)


def test_muon_has_the_kernels_of_convolutions_and_adamw_the_rest(module):
    adamw, muon = make_optimizers(module, config("muon"))
    assert isinstance(muon, Muon)
    assert parameters_of(muon) == {id(module[0].weight), id(module[3].weight)}
    assert parameters_of(adamw) | parameters_of(muon) == {id(p) for p in module.parameters()}
    assert not parameters_of(adamw) & parameters_of(muon)


def test_adamw_alone_has_all(module):
    (adamw,) = make_optimizers(module, config("adamw"))
    assert parameters_of(adamw) == {id(p) for p in module.parameters()}


def test_a_module_without_kernels_needs_no_muon():
    (adamw,) = make_optimizers(nn.Linear(2, 2), config("muon"))
    assert isinstance(adamw, torch.optim.AdamW)
