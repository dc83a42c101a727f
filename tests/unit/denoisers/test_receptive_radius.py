import pytest
import torch
from small_sizes import LOCAL
from tiny_models import randomise

from latentsep.denoisers.conditioned_unet1d import ConditionedUNet1d
from latentsep.denoisers.receptive_radius import receptive_radius_frames
from latentsep.denoisers.sizes import Sizes

CHANNELS = 6
SIGMA = torch.tensor([0.7])


def _sizes(blocks, factors, injected_levels):
    widths = [8] * len(blocks)
    levels = {"widths": widths, "conditioner_widths": widths, "injected_levels": injected_levels}
    return {**LOCAL, **levels, "blocks": blocks, "factors": factors}


def test_the_radius_of_a_one_level_net_worked_by_hand():
    # State: first and last convolution, and two in a block. The conditioner's bottom has none.
    assert receptive_radius_frames(Sizes(CHANNELS, **_sizes([1], [], 1))) == 1 + 2 + 1


def test_the_radius_of_a_two_level_net_worked_by_hand():
    # Of frame 0. Generator: last conv -1..1, block -3..3, halved -2..1, block -4..3, doubled
    # -8..7, block -10..9. Conditioner: block -13..12, halved -7..6, doubled -14..13, block
    # -17..16, first conv -18..17.
    assert receptive_radius_frames(Sizes(CHANNELS, **_sizes([1, 1], [2], 2))) == 18


@pytest.mark.parametrize(
    ("blocks", "factors", "injected_levels"),
    [
        ([1, 1], [2], 1),
        ([0, 1], [3], 2),
        ([2, 1, 1], [2, 1], 2),
        ([1, 0, 2], [2, 3], 3),
        ([4, 0], [2], 1),  # the state's way is the longer one
    ],
)
def test_the_radius_is_reached(blocks, factors, injected_levels):
    network = ConditionedUNet1d(CHANNELS, **_sizes(blocks, factors, injected_levels))
    randomise(network, 0)
    radius, stride = network.receptive_radius_frames, network.stride_frames
    strides = -(-radius // stride) + 1
    frames = (2 * strides + 1) * stride
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn((2, 1, CHANNELS, frames), generator=generator)
    reached = 0
    for place in range(strides * stride, (strides + 1) * stride):
        seen = inputs.clone().requires_grad_(True)
        state, mixture = seen.unbind(0)
        network(state, network.condition(mixture), SIGMA)[:, :, place].sum().backward()
        support = seen.grad.abs().sum(dim=(0, 1, 2)).nonzero()[:, 0] - place
        reached = max(reached, int(support.abs().max()))
    assert reached == radius
