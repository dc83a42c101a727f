import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentsep.diffusion.samplers import SAMPLERS
from latentsep.diffusion.schedule import bridge_schedule

SHAPE = (3, 4, 10)
SPREAD = 0.3


@pytest.fixture(params=sorted(SAMPLERS))
def sampler(request):
    return SAMPLERS[request.param]


class OracleDenoiser:
    """Knows the clean latents; counts how often it is asked and at which levels."""

    def __init__(self, clean):
        self.clean = clean
        self.levels = []

    def __call__(self, state, level):
        self.levels.append(level)
        return self.clean


class CountedNoise:
    """Standard normal noise by step, and the steps it was asked for."""

    def __init__(self, shape=SHAPE):
        self.shape = shape
        self.steps = []

    def __call__(self, step):
        self.steps.append(step)
        return torch.randn(self.shape, generator=torch.Generator().manual_seed(step))


def _latents(seed, shape=SHAPE):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _contract(state, level):
    """A denoiser that depends on everything it is given."""
    return torch.tanh(state) * (1 + level.sigma) - 0.1 * level.alpha


def test_one_step_is_the_estimate_from_the_start(sampler):
    start = _latents(0)
    result = sampler(_contract, start, bridge_schedule(1, SPREAD), CountedNoise())
    assert torch.equal(result, _contract(start, bridge_schedule(1, SPREAD)[0]))


@given(steps=st.integers(1, 30), seed=st.integers(0, 2**32 - 1))
def test_an_oracle_is_believed_to_the_bit_after_any_number_of_steps(steps, seed):
    clean = _latents(seed)
    for sampler in SAMPLERS.values():
        result = sampler(
            OracleDenoiser(clean), _latents(1), bridge_schedule(steps, SPREAD), CountedNoise()
        )
        assert torch.equal(result, clean)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_step_costs_one_call_at_the_level_it_leaves(sampler, steps):
    denoiser = OracleDenoiser(_latents(0))
    schedule = bridge_schedule(steps, SPREAD)
    sampler(denoiser, _latents(1), schedule, CountedNoise())
    assert denoiser.levels == schedule[:-1]


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_noise_is_drawn_once_for_each_step_that_lands_on_spread(sampler, steps):
    noise = CountedNoise()
    sampler(OracleDenoiser(_latents(0)), _latents(1), bridge_schedule(steps, SPREAD), noise)
    assert noise.steps == list(range(steps - 1))


def test_without_spread_no_noise_is_asked_for(sampler):
    noise = CountedNoise()
    sampler(OracleDenoiser(_latents(0)), _latents(1), bridge_schedule(5, 0.0), noise)
    assert noise.steps == []


def test_an_item_alone_gives_the_bits_it_gives_in_company(sampler):
    start = _latents(2)
    schedule = bridge_schedule(4, SPREAD)
    together = sampler(_contract, start, schedule, CountedNoise())
    for item in range(SHAPE[0]):
        chosen = slice(item, item + 1)
        alone = sampler(
            _contract, start[chosen], schedule, lambda step, c=chosen: CountedNoise()(step)[c]
        )
        assert torch.equal(alone[0], together[item])


def test_two_steps_worked_by_hand(sampler):
    start = torch.tensor([8.0])
    schedule = bridge_schedule(2, 0.2)
    # Estimate 8 / 2 = 4; halfway: 0.5 * 4 + 0.5 * 8 + 0.2 * sqrt(1/4) * 3 = 6.3; its half is 3.15.
    result = sampler(
        lambda state, level: state / 2, start, schedule, lambda step: torch.tensor([3.0])
    )
    assert result.item() == pytest.approx(3.15)


@pytest.mark.parametrize("steps", [1, 4, 16])
def test_the_exact_posterior_mean_of_a_gaussian_gives_the_right_mean(sampler, steps):
    """Clean latents are N(m, v) and independent of the start ``y``.

    A bridge state ``x = a c + s y + w n`` then has ``E[c | x] = m + a v (x - a m - s y) /
    (a^2 v + w^2)``; whatever the path, the samples' mean must be ``m``, and the truth ``y = -1``
    must have left no trace.
    """
    mean, variance, start = 2.0, 0.25, torch.full((200_000,), -1.0)

    def posterior_mean(state, level):
        gain = level.alpha * variance / (level.alpha**2 * variance + level.spread**2 + 1e-12)
        return mean + gain * (state - level.alpha * mean - level.sigma * start)

    samples = sampler(
        posterior_mean, start, bridge_schedule(steps, SPREAD), CountedNoise(start.shape)
    )
    # The deviation is below 1, so that of the mean is below 1 / sqrt(200 000) = 0.0023.
    assert samples.mean().item() == pytest.approx(mean, abs=0.01)
    assert samples.std().item() < 1
