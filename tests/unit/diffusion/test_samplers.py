"""What every sampler promises, on every process it is for."""

import math
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentsep.diffusion.samplers import SAMPLERS
from latentsep.diffusion.schedule import bridge_level, cosine_level, even_schedule

SHAPE = (3, 4, 10)
SPREAD = 0.3
LEVEL_AT = {"bridge": lambda t: bridge_level(t, SPREAD), "diffusion": cosine_level}
BANDS_HZ = torch.tensor([100.0, 2_000.0, 5_000.0, math.inf])
CASES = [(name, process) for name, kind in sorted(SAMPLERS.items()) for process in kind.processes]


@pytest.fixture(params=CASES, ids=" on ".join)
def case(request):
    """Name, sampler and schedule of so many steps."""
    name, process = request.param
    return name, SAMPLERS[name].build(BANDS_HZ), partial(even_schedule, LEVEL_AT[process])


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


def _anyhow(state, level):
    """A denoiser that depends on everything it is given."""
    return torch.tanh(state) * (1 + level.sigma) - 0.1 * level.alpha


def test_one_step_is_the_estimate_from_the_start(case):
    _, sampler, schedule = case
    start = _latents(0)
    result = sampler(_anyhow, start, schedule(1), CountedNoise())
    assert torch.equal(result, _anyhow(start, schedule(1)[0]))


@pytest.mark.parametrize(("name", "process"), CASES, ids=map(" on ".join, CASES))
@given(steps=st.integers(1, 30), seed=st.integers(0, 2**32 - 1))
def test_an_oracle_is_believed_to_the_bit_after_any_number_of_steps(name, process, steps, seed):
    clean = _latents(seed)
    schedule = even_schedule(LEVEL_AT[process], steps)
    sampler = SAMPLERS[name].build(BANDS_HZ)
    result = sampler(OracleDenoiser(clean), _latents(1), schedule, CountedNoise())
    assert torch.equal(result, clean)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_what_it_costs_is_declared_and_each_call_is_at_the_level_it_leaves(case, steps):
    name, sampler, schedule = case
    denoiser = OracleDenoiser(_latents(0))
    sampler(denoiser, _latents(1), schedule(steps), CountedNoise())
    assert denoiser.levels == schedule(steps)[:-1]
    assert len(denoiser.levels) == SAMPLERS[name].nfe(steps)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_noise_is_asked_for_at_most_once_a_step_and_never_for_the_last(case, steps):
    _, sampler, schedule = case
    noise = CountedNoise()
    sampler(OracleDenoiser(_latents(0)), _latents(1), schedule(steps), noise)
    assert noise.steps == sorted(set(noise.steps))
    assert set(noise.steps) <= set(range(steps - 1))


@pytest.mark.parametrize(
    ("name", "process", "steps_with_noise"),
    [
        ("bridge", "bridge", [0, 1, 2, 3]),
        ("euler", "bridge", [0]),
        ("euler", "diffusion", []),
        ("ddim", "diffusion", []),
        ("dpmpp_2m", "diffusion", []),
        ("ddim_refined", "diffusion", [0, 1, 2, 3]),
    ],
)
def test_which_of_five_steps_draw_noise(name, process, steps_with_noise):
    noise = CountedNoise()
    schedule = even_schedule(LEVEL_AT[process], 5)
    SAMPLERS[name].build(BANDS_HZ)(OracleDenoiser(_latents(0)), _latents(1), schedule, noise)
    assert noise.steps == steps_with_noise


@pytest.mark.parametrize("name", ["bridge", "euler"])
def test_a_bridge_without_spread_draws_no_noise(name):
    noise = CountedNoise()
    schedule = even_schedule(lambda t: bridge_level(t, 0.0), 5)
    SAMPLERS[name].build(BANDS_HZ)(OracleDenoiser(_latents(0)), _latents(1), schedule, noise)
    assert noise.steps == []


def test_an_item_alone_gives_the_bits_it_gives_in_company(case):
    _, sampler, schedule = case
    start = _latents(2)
    together = sampler(_anyhow, start, schedule(4), CountedNoise())
    for item in range(SHAPE[0]):
        chosen = slice(item, item + 1)
        alone = sampler(
            _anyhow, start[chosen], schedule(4), lambda step, c=chosen: CountedNoise()(step)[c]
        )
        assert torch.equal(alone[0], together[item])


def test_the_start_is_left_as_it_was(case):
    _, sampler, schedule = case
    start = _latents(2)
    sampler(_anyhow, start, schedule(3), CountedNoise())
    assert torch.equal(start, _latents(2))


def test_two_steps_of_a_bridge_worked_by_hand():
    # Estimate 8 / 2 = 4; halfway: 0.5 * 4 + 0.5 * 8 + 0.2 * sqrt(1/4) * 3 = 6.3; its half is 3.15.
    schedule = even_schedule(lambda t: bridge_level(t, 0.2), 2)
    for name in ("bridge", "euler"):  # they differ from the third step on
        result = SAMPLERS[name].build(BANDS_HZ)(
            lambda state, level: state / 2,
            torch.tensor([8.0]),
            schedule,
            lambda step: torch.tensor([3.0]),
        )
        assert result.item() == pytest.approx(3.15)


def test_two_steps_of_ddim_worked_by_hand():
    # At the start the estimate of 2 is 1, and 2 is all noise. Halfway: (1 + 2) / sqrt(2), half it.
    result = SAMPLERS["ddim"].build(BANDS_HZ)(
        lambda state, level: state / 2,
        torch.tensor([2.0]),
        even_schedule(cosine_level, 2),
        CountedNoise(),
    )
    assert result.item() == pytest.approx(3 / math.sqrt(2) / 2)


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_euler_on_a_diffusion_is_ddim_to_the_bit(steps):
    schedule = even_schedule(cosine_level, steps)
    euler, ddim = (
        SAMPLERS[name].build(BANDS_HZ)(_anyhow, _latents(3), schedule, CountedNoise())
        for name in ("euler", "ddim")
    )
    assert torch.equal(euler, ddim)


@pytest.mark.parametrize("steps", [2, 10])
def test_channels_below_the_cutoff_get_what_plain_ddim_gives_to_the_bit(steps):
    schedule = even_schedule(cosine_level, steps)
    refined, plain = (
        SAMPLERS[name].build(BANDS_HZ, **options)(_anyhow, _latents(4), schedule, CountedNoise())
        for name, options in [("ddim_refined", {"eta": 0.8, "cutoff_hz": 5_000.0}), ("ddim", {})]
    )
    is_equal = [torch.equal(refined[:, c], plain[:, c]) for c in range(SHAPE[1])]
    assert is_equal == [True, True, False, False]


def test_without_eta_the_refined_sampler_is_ddim_to_the_bit():
    schedule = even_schedule(cosine_level, 10)
    refined, plain = (
        SAMPLERS[name].build(BANDS_HZ, **options)(_anyhow, _latents(5), schedule, CountedNoise())
        for name, options in [("ddim_refined", {"eta": 0.0, "cutoff_hz": 0.0}), ("ddim", {})]
    )
    assert torch.equal(refined, plain)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"eta": -0.1}, "eta must lie in 0..1, got -0.1"),
        ({"eta": 1.1}, "eta must lie in 0..1, got 1.1"),
        ({"cutoff_hz": -1.0}, r"cutoff_hz must lie in 0\.\.5000, the codec's highest band, got -1"),
        ({"cutoff_hz": 5_001.0}, "got 5001"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_with_what_does(options, message):
    with pytest.raises(ValueError, match=message):
        SAMPLERS["ddim_refined"].build(BANDS_HZ[:3], **options)


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_an_option_that_a_sampler_does_not_have_is_refused(name):
    with pytest.raises(TypeError, match="colour"):
        SAMPLERS[name].build(BANDS_HZ, colour="red")
