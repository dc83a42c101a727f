import pytest
import torch
from tiny_models import randomise

from latentsep.denoisers.unet1d import FrameNorm, UNet1d, step_features

SIGMA = torch.tensor([1.0])


def test_the_untrained_net_passes_half_the_state():
    network = UNet1d(4, widths=[8, 12], blocks=1, bottom_dilations=[1], step_channels=8)
    generator = torch.Generator().manual_seed(0)
    state, mixture = torch.randn((2, 1, 4, 16), generator=generator).unbind(0)
    torch.testing.assert_close(network(state, network.condition(mixture), SIGMA), state / 2)


def test_the_radius_of_a_one_level_net_worked_by_hand():
    # First and last convolution: 1 + 1. One block of dilation 4: 4 in, 1 out. No levels below.
    network = UNet1d(4, widths=[8], blocks=3, bottom_dilations=[4], step_channels=8)
    assert network.stride_frames == 1
    assert network.receptive_radius_frames == 2 + 5


@pytest.mark.parametrize("levels", [1, 2, 3, 4])
def test_each_level_doubles_the_stride(levels):
    network = UNet1d(4, widths=[8] * levels, blocks=1, bottom_dilations=[1], step_channels=8)
    assert network.stride_frames == 2 ** (levels - 1)


def test_a_frame_is_normalised_without_its_neighbours():
    frames = torch.tensor([[[1.0, 10.0, 0.0], [2.0, 20.0, 0.0], [3.0, 30.0, 0.0]]])
    normalised = FrameNorm(3)(frames)
    # Mean 2, variance 2/3: (-1, 0, 1) / sqrt(2/3); ten times as loud gives the same.
    expected = torch.tensor([-1.0, 0.0, 1.0]) * 1.5**0.5
    torch.testing.assert_close(normalised[0, :, 0], expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(normalised[0, :, 1], expected, rtol=0, atol=1e-4)
    assert not normalised[0, :, 2].any()


def test_step_features_tell_close_sigmas_apart_and_stay_bounded():
    features = step_features(torch.linspace(0, 1, 65))
    assert features.abs().max() <= 1
    distances = torch.cdist(features, features) + 1e3 * torch.eye(65)
    assert distances.min() > 0.1


def test_every_weight_has_a_gradient():
    network = UNet1d(4, widths=[8, 12], blocks=1, bottom_dilations=[1], step_channels=8)
    randomise(network, seed=0)
    generator = torch.Generator().manual_seed(0)
    state, mixture = torch.randn((2, 2, 4, 16), generator=generator).unbind(0)
    network(state, network.condition(mixture), torch.tensor([0.3, 0.9])).square().sum().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not without


@pytest.mark.parametrize("options", [{"widths": []}, {"widths": [8, 0]}, {"widths": [-8, 4]}])
def test_impossible_widths_are_refused_by_name(options):
    with pytest.raises(ValueError, match="widths"):
        UNet1d(4, **options)


def test_the_skip_of_a_v_network_is_the_mixture_at_the_start_and_nothing_when_clean():
    network = UNet1d(6, widths=[8, 12], blocks=1, skip="mixture")
    state, mixture = torch.randn((2, 2, 6, 32), generator=torch.Generator().manual_seed(3)).unbind(
        0
    )
    condition = network.condition(mixture)
    # Fresh: the residual is 0 and the mask a half.
    torch.testing.assert_close(network(state, condition, torch.tensor([1.0])), -mixture / 2)
    assert not network(state, condition, torch.tensor([0.0])).any()


def test_another_skip_is_refused_with_its_name():
    with pytest.raises(ValueError, match="got 'noise'"):
        UNet1d(6, skip="noise")
