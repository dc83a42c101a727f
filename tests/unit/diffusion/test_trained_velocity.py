"""A network trained for ``v`` on pairs whose posterior is known comes to the closed form."""

import math

import pytest
import torch
from torch import nn

from latentsep.diffusion.objectives import OBJECTIVES
from latentsep.diffusion.samplers import SAMPLERS

SLOPE = 0.6
"""Clean latents are N(SLOPE * mixture, 1) given the mixture."""


class LinearNetwork(nn.Module):
    """Linear in state and mixture, with weights linear in sigma."""

    local = True
    receptive_radius_frames = 0
    stride_frames = 1

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(2, 2))

    def condition(self, mixture):
        return (mixture,)

    def regress(self, condition):
        return ()

    def log_variance(self, condition):
        return None

    def forward(self, state, condition, sigma):
        bias, slope = self.weights
        weights = bias + slope * sigma[:, None]
        return weights[:, 0, None, None] * state + weights[:, 1, None, None] * condition[0]


@pytest.fixture(scope="module")
def network():
    network, objective = LinearNetwork(), OBJECTIVES["v"]()
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    for step in range(300):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - step / 300)
        mixture, rest = torch.randn((2, 64, 1, 16), generator=generator).unbind(0)
        loss = objective.loss(network, SLOPE * mixture + rest, mixture, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.requires_grad_(False)


def test_the_trained_weights_are_those_of_the_closed_form(network):
    # With unit variance E[clean | x] = s y + alpha (x - alpha s y), so E[v | x] = -sigma s y.
    expected = torch.tensor([[0.0, 0.0], [0.0, -SLOPE]])
    torch.testing.assert_close(network.weights, expected, rtol=0, atol=0.03)


@pytest.mark.parametrize("name", ["ddim", "ddim_refined", "dpmpp_2m", "euler"])
def test_what_is_drawn_with_it_has_the_posteriors_mean_and_deviation(network, name):
    objective = OBJECTIVES["v"]()
    mixture = torch.full((1, 1, 20_000), 2.0)
    generator = torch.Generator().manual_seed(1)

    def noise(step):
        return torch.randn(mixture.shape, generator=generator)

    def denoise(state, level):
        return objective.clean(network, state, (mixture,), level)

    sampler = SAMPLERS[name].build(torch.tensor([math.inf]))
    start = objective.start(mixture, lambda: noise(0))
    drawn = sampler(denoise, start, objective.schedule(64), noise)
    assert drawn.mean().item() == pytest.approx(SLOPE * 2.0, abs=0.05)
    assert drawn.std().item() == pytest.approx(1.0, abs=0.06)
