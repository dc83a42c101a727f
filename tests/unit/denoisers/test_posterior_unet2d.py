import pytest
import torch
from tiny_models import randomise

from latentsep.denoisers.posterior_unet2d import LOG_VARIANCE_RANGE, PosteriorUNet2d
from latentsep.diffusion.objectives import VelocityObjective
from latentsep.diffusion.samplers import ddim
from latentsep.diffusion.schedule import Level

SIZES = {
    "planes": [4, 2],
    "widths": [8, 12],
    "blocks": [1, 1],
    "bottom_channels": 12,
    "generator_widths": [8, 12],
    "generator_blocks": [1, 1],
    "generator_bottom_channels": 12,
    "bottom_dilations": [1],
    "step_channels": 8,
}
CHANNELS = 6


def _noise(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _network(**options):
    """A conditioner with something to say, and a generator that corrects nothing."""
    network = PosteriorUNet2d(CHANNELS, **{**SIZES, **options})
    randomise(network.conditioner, 1)
    return network.eval().requires_grad_(False)


@pytest.mark.parametrize("sigma", [1.0, 0.7, 0.2, 0.01])
def test_without_a_correction_the_estimate_is_the_gaussians_posterior_mean(sigma):
    network, mixture, state = _network(), _noise(1, 2, CHANNELS, 16), _noise(2, 2, CHANNELS, 16)
    condition = network.condition(mixture)
    _, mean, log_variance = condition
    level = Level((1 - sigma**2) ** 0.5, sigma)
    estimate = VelocityObjective().clean(network, state, condition, level)
    # c ~ N(m, S), x = a c + s n: E[c | x] = m + a S / (a^2 S + s^2) (x - a m).
    variance = log_variance.exp()
    gain = level.alpha * variance / (level.alpha**2 * variance + sigma**2)
    expected = mean + gain * (state - level.alpha * mean)
    torch.testing.assert_close(estimate, expected, rtol=1e-4, atol=1e-4)


def test_sampling_without_a_correction_draws_from_the_conditioners_gaussian():
    network, objective = _network(), VelocityObjective()
    condition = network.condition(_noise(3, 1, CHANNELS, 8))
    _, mean, log_variance = condition
    items = 4_000
    many = tuple(part.expand(items, *part.shape[1:]) for part in condition)
    start = _noise(4, items, CHANNELS, 8)
    samples = ddim(
        lambda state, level: objective.clean(network, state, many, level),
        start,
        objective.schedule(64),
        lambda step: pytest.fail("noise was drawn"),
    )
    # Deviations of the figures themselves over 4,000 samples: 1.6 % and 1.1 % of the deviation.
    deviation = (log_variance[0] / 2).exp()
    assert ((samples.mean(dim=0) - mean[0]).abs() / deviation).max() < 0.08
    assert (samples.std(dim=0) / deviation).log().abs().max() < 0.1


def test_the_regression_is_the_mean_and_one_step_starts_there():
    network = _network()
    condition = network.condition(_noise(5, 2, CHANNELS, 16))
    (mean,) = network.regress(condition)
    one_step = VelocityObjective().clean(
        network, _noise(6, 2, CHANNELS, 16), condition, Level(0, 1)
    )
    torch.testing.assert_close(one_step, mean)


def test_an_uncertain_conditioner_stays_in_its_range():
    network = _network()
    network.conditioner.head.bias.fill_(1e6)
    assert network.condition(_noise(7, 1, CHANNELS, 16))[2].max() == LOG_VARIANCE_RANGE[1]


def test_training_finds_mean_and_variance_of_what_the_mixture_leaves_open():
    """Vocals are half the mixture, plus noise of deviation 0.3 that nobody can foresee."""
    torch.manual_seed(0)
    network = PosteriorUNet2d(CHANNELS, **SIZES)
    objective = VelocityObjective(start_share=0.25)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(300):
        mixture = torch.randn((16, CHANNELS, 16), generator=generator)
        clean = mixture / 2 + 0.3 * torch.randn(mixture.shape, generator=generator)
        loss = objective.loss(network, clean, mixture, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    mixture = torch.randn((16, CHANNELS, 16), generator=generator)
    _, mean, log_variance = network.condition(mixture)
    assert (mean - mixture / 2).square().mean().sqrt() < 0.1
    assert (log_variance / 2).exp().mean().item() == pytest.approx(0.3, rel=0.3)


@pytest.mark.parametrize(
    "options",
    [{"planes": [4]}, {"band_bins": 0}, {"generator_widths": [8], "generator_blocks": [1]}],
)
def test_impossible_sizes_are_refused(options):
    with pytest.raises(ValueError, match="got"):
        PosteriorUNet2d(CHANNELS, **{**SIZES, **options})
