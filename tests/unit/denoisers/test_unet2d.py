import math

import pytest
import torch
from tiny_models import randomise

from latentsep.codecs.mdct import MdctCodec
from latentsep.denoisers.band_blocks import BandNorm, stack_planes, unstack_planes
from latentsep.denoisers.unet2d import LOG_POWER_SCALE, UNet2d, log_power

SIGMA = torch.tensor([1.0])
SMALL = {
    "band_bins": 2,
    "widths": [8, 12],
    "blocks": [1, 1],
    "bottom_channels": 8,
    "bottom_dilations": [1],
    "step_channels": 8,
}


def _normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_the_untrained_net_passes_half_the_state():
    network = UNet2d(10, planes=[6, 4], **SMALL)
    state, mixture = _normal(2, 1, 10, 16).unbind(0)
    torch.testing.assert_close(network(state, network.condition(mixture), SIGMA), state / 2)


def test_the_skip_of_a_v_network_is_the_mixture_at_the_start_and_nothing_when_clean():
    network = UNet2d(10, planes=[6, 4], **SMALL, skip="mixture")
    state, mixture = _normal(2, 1, 10, 16).unbind(0)
    condition = network.condition(mixture)
    torch.testing.assert_close(network(state, condition, SIGMA), -mixture / 2)
    assert not network(state, condition, torch.tensor([0.0])).any()


def test_the_radius_of_a_two_level_net_worked_by_hand():
    # Stem and head: 1 + 1. A block of the fine level down and one up: 2 + 2. Of the coarse level,
    # whose frames count twice, before the bottom and after it: 4 + 4. The bottom's dilation of 3:
    # 3 in, 1 out, twice. One frame ahead for halving, one for doubling.
    network = UNet2d(10, **{**SMALL, "bottom_dilations": [3]})
    assert network.stride_frames == 2
    assert network.receptive_radius_frames == 2 + 4 + 8 + 8 + 2


def test_planes_of_mid_and_side_are_laid_over_each_other_and_taken_apart_again():
    latents = _normal(2, 10, 16)
    planes = stack_planes(latents, [6, 4], rows=8)
    assert torch.equal(planes[:, 0, :6], latents[:, :6])
    assert torch.equal(planes[:, 1, :4], latents[:, 6:])
    assert not planes[:, 0, 6:].any()
    assert not planes[:, 1, 4:].any()
    assert torch.equal(unstack_planes(planes, [6, 4]), latents)


def test_rows_come_out_of_their_bands_in_order():
    """The head's biases are one number for each row of a band and each plane."""
    network = UNet2d(10, planes=[6, 4], **SMALL)
    with torch.no_grad():
        network.head.bias.copy_(torch.arange(8.0))
    image = network.run(torch.zeros(1, 6, network.bands * 2, 16), SIGMA)
    rows = [[[row] * 16 for row in (plane, plane + 1) * network.bands] for plane in (0, 2, 4, 6)]
    assert image[0].tolist() == rows


def test_the_power_of_a_sinusoid_hardly_depends_on_its_phase():
    codec = MdctCodec()
    seconds = torch.arange(16 * 1024) / 44_100
    phases = torch.linspace(0, math.pi, 9)[:-1, None]
    tones = torch.cos(2 * math.pi * 1_000 * seconds + phases)
    latents = codec.encode(tones[:, None].expand(-1, 2, -1))
    loudest = int(latents.square().mean(dim=(0, 2)).argmax())
    power = log_power(latents[:, None, :384])[:, 0, loudest, 8] / LOG_POWER_SCALE
    coefficients = latents[:, loudest, 8].square().log()
    assert power.std() < 0.3
    assert coefficients.std() > 1.0


def test_each_band_is_normalised_without_its_neighbours():
    image = torch.stack([torch.tensor([[1.0, 10.0]]) * k for k in (1, 2, 3)])[None]
    normalised = BandNorm(3)(image)
    # Mean 2, variance 2/3: (-1, 0, 1) / sqrt(2/3); ten times as loud gives the same.
    expected = torch.tensor([-1.0, 0.0, 1.0]) * 1.5**0.5
    torch.testing.assert_close(normalised[0, :, 0, 0], expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(normalised[0, :, 0, 1], expected, rtol=0, atol=1e-4)


def test_every_weight_has_a_gradient():
    network = UNet2d(10, planes=[6, 4], **SMALL)
    randomise(network, seed=0)
    state, mixture = _normal(2, 2, 10, 16).unbind(0)
    network(state, network.condition(mixture), torch.tensor([0.3, 0.9])).square().sum().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not without


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"planes": [6, 5]}, r"10 latent channels, got \[6, 5\]"),
        ({"planes": [12, -2]}, r"got \[12, -2\]"),
        ({"planes": []}, r"got \[\]"),
        ({"band_bins": -1}, "band_bins .* got -1"),
        ({"band_bins": 0}, "band_bins .* got 0"),
        ({"widths": []}, "widths"),
        ({"widths": [8, 0]}, "widths"),
        ({"blocks": [1]}, r"blocks=\[1\]"),
        ({"blocks": [1, -1]}, r"blocks=\[1, -1\]"),
        ({"bottom_channels": 0}, "bottom_channels=0"),
        ({"bottom_dilations": [0]}, r"bottom_dilations=\[0\]"),
        ({"step_channels": 0}, "step_channels=0"),
        ({"skip": "noise"}, "got 'noise'"),
    ],
)
def test_impossible_options_are_refused_by_name(options, named):
    with pytest.raises(ValueError, match=named):
        UNet2d(10, **{**SMALL, **options})
