from pathlib import Path

import pytest
import torch
import yaml
from small_sizes import LOCAL, WHOLE
from tiny_models import randomise

from latentsep.denoisers.conditioned_unet1d import ConditionedUNet1d
from latentsep.denoisers.conditioner import unfold_frames
from latentsep.denoisers.generator import FourierFeatures
from latentsep.diffusion.objectives import VelocityObjective
from latentsep.models.parameters import parameter_counts

CHANNELS = 6
FRAMES = 48
SIGMA = torch.tensor([1.0])
WAVEFORM = Path(__file__).parents[3] / "configs/train/waveform.yaml"


def _noise(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _network(seed=0, **options):
    network = ConditionedUNet1d(CHANNELS, **{**WHOLE, **options})
    randomise(network, seed)
    return network


def _estimate(network, mixture):
    return network(_noise(9, *mixture.shape), network.condition(mixture), SIGMA)


@pytest.mark.parametrize("factor", [1, 2, 5])
def test_coarse_frames_unfold_in_the_order_of_time(factor):
    fine = torch.arange(2 * 3 * 4 * factor).reshape(2, 3, 4 * factor)
    coarse = torch.stack(
        [fine[:, :, frame * factor : (frame + 1) * factor] for frame in range(4)], dim=3
    )
    assert torch.equal(unfold_frames(coarse.transpose(1, 2).flatten(1, 2), factor), fine)


def test_a_fresh_network_estimates_nothing_or_half_of_what_is_skipped():
    state, mixture = _noise(0, 2, 1, CHANNELS, FRAMES).unbind(0)
    for skip, expected in ((None, 0 * state), ("mixture", -mixture / 2), ("state", state / 2)):
        network = ConditionedUNet1d(CHANNELS, skip=skip, **WHOLE)
        torch.testing.assert_close(network(state, network.condition(mixture), SIGMA), expected)


@pytest.mark.parametrize(
    "option", [{"norm": "group"}, {"attention_levels": 1}, {"transformer_layers": 1}]
)
def test_what_is_not_local_sees_its_whole_input(option):
    network = _network(**{**LOCAL, **option})
    assert not network.local
    near = _noise(1, 1, CHANNELS, 20 * network.receptive_radius_frames // 6 * 6)
    far = near.clone()
    far[:, :, -1] += 10
    moved = _estimate(network, far) - _estimate(network, near)
    assert moved[:, :, 0].abs().max() > 0


def test_the_mixture_has_no_way_around_the_bottleneck():
    network = _network()
    network.conditioner.bottleneck.register_forward_hook(lambda part, inputs, x: 0 * x)
    one, other = _noise(2, 2, 1, CHANNELS, FRAMES).unbind(0)
    assert torch.equal(_estimate(network, one), _estimate(network, other))


@pytest.mark.parametrize("depth", [0, 1])
def test_what_the_encoder_finds_at_each_level_reaches_the_bottleneck(depth):
    network, mixture = _network(), _noise(3, 1, CHANNELS, FRAMES)
    before = _estimate(network, mixture)
    with torch.no_grad():
        network.conditioner.bottleneck.summaries[depth][-1].weight.zero_()
    assert (_estimate(network, mixture) - before).abs().max() > 1e-5


@pytest.mark.parametrize("injected_levels", [1, 2, 3])
def test_the_generator_is_told_at_its_deepest_levels(injected_levels):
    network = _network(injected_levels=injected_levels)
    _, _, _, *injected = network.condition(_noise(4, 1, CHANNELS, FRAMES))
    shapes = [(1, 8, FRAMES), (1, 12, FRAMES // 2), (1, 16, FRAMES // 6)]
    assert [tuple(features.shape) for features in injected] == shapes[-injected_levels:]


def test_the_regression_trains_the_conditioner_alone_and_with_the_estimate_all_is_trained():
    network, mixture = _network(skip="mixture"), _noise(5, 1, CHANNELS, FRAMES)
    condition = network.condition(mixture)
    heads = sum(head.square().sum() for head in network.regress(condition))
    heads.backward(retain_graph=True)
    assert all(p.grad is None for p in network.generator.parameters())
    estimate = network(_noise(6, 1, CHANNELS, FRAMES), condition, torch.tensor([0.6]))
    estimate.square().sum().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not without


def test_frequencies_survive_the_float16_of_a_model_folder():
    features = FourierFeatures()
    assert torch.equal(features.periods.half().float(), features.periods)


def test_features_tell_neighbouring_steps_apart():
    torch.manual_seed(0)
    features = FourierFeatures()(torch.linspace(0, 1, 65))
    assert features.abs().max() <= 1
    distances = torch.cdist(features, features) + 1e3 * torch.eye(65)
    assert distances.min() > 1


def test_training_finds_what_the_mixture_tells():
    """Vocals are half the mixture; both heads and one step from noise come to say so."""
    torch.manual_seed(0)
    network = ConditionedUNet1d(CHANNELS, **{**WHOLE, "injected_levels": 3})
    objective = VelocityObjective(start_share=0.5)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(0)

    def mixtures(items):
        smooth = torch.randn((items, CHANNELS, 4), generator=generator)
        return smooth.repeat_interleave(6, dim=2)

    for _ in range(80):
        mixture = mixtures(8)
        loss = objective.loss(network, mixture / 2, mixture, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    vocals = mixtures(64) / 2
    condition = network.condition(2 * vocals)
    one_step = -network(torch.randn(vocals.shape, generator=generator), condition, SIGMA)
    errors = [
        (estimate - vocals).square().mean().sqrt().item()
        for estimate in (*network.regress(condition), one_step)
    ]
    # The vocals themselves have 0.5.
    assert max(errors[:2]) < 0.2
    assert errors[2] < 0.43


def test_the_published_sizes_have_nearly_the_published_parameters():
    options = yaml.safe_load(WAVEFORM.read_text("utf-8"))["model"]["network"]["options"]
    with torch.device("meta"):
        counts = parameter_counts(ConditionedUNet1d(2, **options))
    assert counts["generator"] == pytest.approx(15.9e6, rel=0.02)
    assert counts["conditioner"] == pytest.approx(82.9e6, rel=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": [8, 12]}, "one entry for each level"),
        ({"factors": [2]}, "one entry for each level"),
        ({"conditioner_widths": [8, 0, 8]}, "conditioner_widths must be at least 1"),
        ({"blocks": [1, -1, 1]}, "blocks must be at least 0"),
        ({"injected_levels": 0}, "injected_levels must be at least 1"),
        ({"attention_levels": 4}, "at most the 3 levels"),
        ({"transformer_channels": 65}, "multiple of 64, got 65"),
        ({"norm": "batch"}, "got 'batch'"),
        ({"skip": "noise"}, "got 'noise'"),
        ({"context_frames": -1}, "got -1"),
        ({**LOCAL, "context_frames": 8}, "whose radius is .* got 8"),
    ],
)
def test_impossible_options_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        ConditionedUNet1d(CHANNELS, **{**WHOLE, **options})


def test_the_context_of_a_network_that_is_not_local_can_be_chosen():
    assert _network().receptive_radius_frames == _network(**LOCAL).receptive_radius_frames
    assert _network(context_frames=12).receptive_radius_frames == 12
