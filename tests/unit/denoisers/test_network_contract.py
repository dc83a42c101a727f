"""What the Network docstring promises, for every registered network, local and not."""

import pytest
import torch
from small_sizes import LOCAL, WHOLE
from tiny_models import randomise

from latentsep.denoisers import NETWORKS, Network
from latentsep.denoisers.band_unet import BandUNet
from latentsep.denoisers.posterior_unet2d import PosteriorUNet2d

CHANNELS = 6
FRAMES = 48
BANDS = {
    "planes": [4, 2],
    "band_bins": 2,
    "widths": [8, 12],
    "blocks": [1, 1],
    "bottom_channels": 12,
    "bottom_dilations": [1, 2],
    "step_channels": 8,
}
VARIANTS = {
    "conditioned_unet1d": LOCAL,
    "conditioned_unet1d over whole chunks": WHOLE,
    "conditioned_unet1d with a skip": {**WHOLE, "skip": "mixture"},
    "posterior_unet2d": {
        **BANDS,
        "generator_widths": [8, 8],
        "generator_blocks": [1, 1],
        "generator_bottom_channels": 8,
    },
    "unet1d": {"widths": [8, 12, 16], "blocks": 1, "bottom_dilations": [1, 2], "step_channels": 8},
    "unet2d": BANDS,
    "unet2d with the mixture passing": {**BANDS, "planes": [CHANNELS], "skip": "mixture"},
}
"""Small networks: the first word is the name in the registry."""
SIGMA = torch.tensor([0.7])


def _new(variant):
    return NETWORKS[variant.split()[0]](CHANNELS, **VARIANTS[variant])


def _build(variant, seed):
    network = _new(variant)
    randomise(network, seed)
    return network.eval().requires_grad_(False)


def _local(variant):
    return _new(variant).local


@pytest.fixture(params=sorted(VARIANTS))
def network(request):
    return _build(request.param, seed=1)


@pytest.fixture(params=sorted(filter(_local, VARIANTS)))
def local_network(request):
    return _build(request.param, seed=1)


def _inputs(seed, items, frames):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((2, items, CHANNELS, frames), generator=generator).unbind(0)


def _estimate(network, state, mixture, sigma):
    return network(state, network.condition(mixture), sigma)


def test_every_registered_network_is_tried():
    assert {variant.split()[0] for variant in VARIANTS} == set(NETWORKS)


def test_every_network_keeps_the_protocol(network):
    assert isinstance(network, Network)


@pytest.mark.parametrize("strides", [1, 3, 20])
def test_the_estimate_has_the_shape_of_the_state(network, strides):
    state, mixture = _inputs(0, 3, strides * network.stride_frames)
    assert _estimate(network, state, mixture, SIGMA).shape == state.shape


@pytest.mark.parametrize("which", ["state", "mixture"])
def test_nothing_changes_beyond_the_receptive_radius(local_network, which):
    radius, stride = local_network.receptive_radius_frames, local_network.stride_frames
    frames = -(-(2 * radius + 40) // stride) * stride
    state, mixture = _inputs(1, 1, frames)
    before = _estimate(local_network, state, mixture, SIGMA)
    for place in range(frames // 2, frames // 2 + stride):
        inputs = {"state": state.clone(), "mixture": mixture.clone()}
        inputs[which][:, :, place] += 1.0
        after = _estimate(local_network, **inputs, sigma=SIGMA)
        moved = (after != before).any(dim=1)[0].nonzero()[:, 0] - place
        assert moved.abs().max() <= radius


def test_the_receptive_radius_is_not_claimed_larger_than_it_is(local_network):
    radius, stride = local_network.receptive_radius_frames, local_network.stride_frames
    frames = -(-(2 * radius + 40) // stride) * stride
    state, mixture = _inputs(2, 1, frames)
    reached = 0
    for place in range(frames // 2, frames // 2 + stride):
        seen = [latents.clone().requires_grad_(True) for latents in (state, mixture)]
        _estimate(local_network, *seen, SIGMA)[:, :, place].sum().backward()
        for latents in seen:
            support = latents.grad.abs().sum(dim=1)[0].nonzero()[:, 0] - place
            reached = max(reached, int(support.abs().max()))
    # Looking ahead and filling in are counted apart, though they never fall together.
    nets = sum(isinstance(part, BandUNet) for part in local_network.modules()) or 1
    assert radius - nets * 2 * (stride - 1) <= reached <= radius


@pytest.mark.parametrize("strides", [1, 2, 5])
def test_it_moves_with_its_input_by_whole_strides(local_network, strides):
    shift = strides * local_network.stride_frames
    radius, stride = local_network.receptive_radius_frames, local_network.stride_frames
    frames = -(-(2 * radius + 40) // stride) * stride
    state, mixture = _inputs(3, 1, frames + shift)
    whole = _estimate(local_network, state, mixture, SIGMA)
    shifted = _estimate(local_network, state[:, :, shift:], mixture[:, :, shift:], SIGMA)
    inside = slice(radius, frames - radius)
    torch.testing.assert_close(shifted[:, :, inside], whole[:, :, shift:][:, :, inside])


def test_an_item_alone_gives_the_bits_it_gives_in_company(network):
    state, mixture = _inputs(4, 4, FRAMES)
    padded = torch.zeros(3, CHANNELS, FRAMES)
    together = _estimate(network, state, mixture, SIGMA)
    for item in range(4):
        chosen = slice(item, item + 1)
        company = _estimate(
            network, torch.cat([state[chosen], padded]), torch.cat([mixture[chosen], padded]), SIGMA
        )
        # The batch keeps its shape, as on the tape; the companions and the place in it change.
        assert torch.equal(company[0], together[item])


def test_one_sigma_stands_for_all_items(network):
    state, mixture = _inputs(5, 3, FRAMES)
    one = _estimate(network, state, mixture, SIGMA)
    torch.testing.assert_close(_estimate(network, state, mixture, SIGMA.expand(3)), one)


def test_sigma_and_both_inputs_are_listened_to(network):
    state, mixture = _inputs(6, 1, FRAMES)
    estimate = _estimate(network, state, mixture, SIGMA)
    assert (_estimate(network, state, mixture, torch.tensor([0.2])) - estimate).abs().max() > 1e-4
    assert (_estimate(network, mixture, mixture, SIGMA) - estimate).abs().max() > 1e-4
    assert (_estimate(network, state, state, SIGMA) - estimate).abs().max() > 1e-4


def test_a_condition_serves_all_steps(network):
    first, mixture = _inputs(8, 2, FRAMES)
    second, _ = _inputs(9, 2, FRAMES)
    condition = network.condition(mixture)
    network(first, condition, torch.tensor([1.0]))
    assert torch.equal(
        network(second, condition, SIGMA), _estimate(network, second, mixture, SIGMA)
    )


def test_regression_heads_estimate_the_vocals_of_each_item(network):
    mixture, other = _inputs(10, 2, FRAMES)
    estimates = network.regress(network.condition(mixture))
    others = network.regress(network.condition(torch.cat([mixture[:1], other[1:]])))
    for estimate, beside in zip(estimates, others, strict=True):
        assert estimate.shape == mixture.shape
        assert torch.equal(estimate[0], beside[0])
        assert not torch.equal(estimate[1], beside[1])


def test_a_variance_is_one_of_each_latent_of_a_head(network):
    mixture, _ = _inputs(12, 2, FRAMES)
    condition = network.condition(mixture)
    log_variance = network.log_variance(condition)
    assert (log_variance is not None) == isinstance(network, PosteriorUNet2d)
    if log_variance is not None:
        assert log_variance.shape == network.regress(condition)[-1].shape


def test_bfloat16_is_near(network):
    state, mixture = _inputs(11, 2, FRAMES)
    exact = _estimate(network, state, mixture, SIGMA)
    with torch.autocast("cpu", torch.bfloat16):
        near = _estimate(network, state, mixture, SIGMA)
    assert near.dtype == torch.float32
    assert (near - exact).square().mean().sqrt() < 0.1 * exact.square().mean().sqrt()


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_weights_are_all_that_a_network_remembers(name):
    network, twin = _build(name, seed=1), _build(name, seed=2)
    state, mixture = _inputs(7, 2, FRAMES)
    assert not torch.equal(
        _estimate(twin, state, mixture, SIGMA), _estimate(network, state, mixture, SIGMA)
    )
    twin.load_state_dict(network.state_dict())
    assert torch.equal(
        _estimate(twin, state, mixture, SIGMA), _estimate(network, state, mixture, SIGMA)
    )
