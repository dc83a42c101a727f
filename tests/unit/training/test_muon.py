"""Muon: orthogonal updates for kernels of any number of axes."""

import copy

import pytest
import torch
from torch import nn

from latentsep.training import muon
from latentsep.training.muon import RMS_LIKE_ADAM, Muon, orthogonal


@pytest.mark.parametrize("emulated", [False, True])
@pytest.mark.parametrize("shape", [(32, 96), (96, 32), (24, 24)])
def test_the_orthogonal_matrix_has_singular_values_near_one_and_the_same_directions(
    shape, emulated, monkeypatch
):
    monkeypatch.setattr(muon, "has_bfloat16", lambda device: not emulated)
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = orthogonal(matrix)
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    singular = torch.diagonal(u.T @ found @ vh.T)
    assert found.dtype == matrix.dtype
    assert torch.equal(found, found.bfloat16().float()) == (not emulated)
    assert singular.min() > 0.3
    assert singular.max() < 1.4


def test_the_update_has_the_size_of_adams_whatever_the_size_of_the_gradient():
    for gain in (1e-4, 1e4):
        kernel = nn.Parameter(torch.zeros(64, 32, 3))
        kernel.grad = gain * torch.randn(64, 32, 3, generator=torch.Generator().manual_seed(1))
        Muon([kernel], lr=0.01, weight_decay=0.0).step()
        rms = kernel.detach().square().mean().sqrt().item()
        assert rms == pytest.approx(0.01 * RMS_LIKE_ADAM, rel=0.2)


def test_weights_without_a_gradient_stay():
    kernel = nn.Parameter(torch.ones(8, 8, 3))
    Muon([kernel], lr=0.1).step()
    assert torch.equal(kernel, torch.ones(8, 8, 3))


def test_weights_decay_by_learning_rate_times_decay():
    kernel = nn.Parameter(torch.ones(8, 8, 3))
    kernel.grad = torch.zeros(8, 8, 3)
    Muon([kernel], lr=0.1, weight_decay=0.5).step()
    torch.testing.assert_close(kernel.detach(), torch.full((8, 8, 3), 0.95))


def test_it_learns_a_convolution():
    generator = torch.Generator().manual_seed(2)
    truth = torch.randn(16, 16, 3, generator=generator) / 7
    inputs = torch.randn(32, 16, 20, generator=generator)
    wanted = nn.functional.conv1d(inputs, truth)
    kernel = nn.Parameter(torch.zeros_like(truth))
    optimizer = Muon([kernel], lr=0.02, weight_decay=0.0)
    losses = []
    for _ in range(60):
        loss = (nn.functional.conv1d(inputs, kernel) - wanted).square().mean()
        kernel.grad = torch.autograd.grad(loss, kernel)[0]
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


def test_its_state_goes_on_where_it_was_saved():
    generator = torch.Generator().manual_seed(3)
    gradients = [torch.randn(8, 4, 3, generator=generator) for _ in range(4)]

    def steps(kernel: nn.Parameter, optimizer: Muon, chosen: list[torch.Tensor]) -> None:
        for gradient in chosen:
            kernel.grad = gradient.clone()
            optimizer.step()

    whole = nn.Parameter(torch.ones(8, 4, 3))
    first = Muon([whole], lr=0.1)
    steps(whole, first, gradients[:2])
    saved, kernel = copy.deepcopy(first.state_dict()), nn.Parameter(whole.detach().clone())
    steps(whole, first, gradients[2:])
    second = Muon([kernel], lr=0.1)
    second.load_state_dict(saved)
    steps(kernel, second, gradients[2:])
    assert torch.equal(whole, kernel)
