"""Samplers with an exact denoiser draw from the exact posterior, the better the more steps."""

import pytest
import torch
from gaussian_posterior import LEVEL_AT, GaussianPosterior, full_band

from latentsep.diffusion.samplers import SAMPLERS
from latentsep.diffusion.schedule import cosine_level, even_schedule

VARIANCES = (0.05, 0.25, 1.0, 4.0)
CASES = [(name, process) for name, kind in sorted(SAMPLERS.items()) for process in kind.processes]
CONVERGENT = [case for case in CASES if case != ("bridge", "bridge")]
"""All but the bridge sampler, whose deviation falls short: see its own test."""


@pytest.mark.parametrize(("name", "process"), CASES, ids=map(" on ".join, CASES))
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_the_mean_is_the_posteriors_with_any_number_of_steps(name, process, steps):
    posterior = GaussianPosterior(process, mean=2.0, variances=VARIANCES)
    mean, _ = posterior.drawn(full_band(name), _schedule(posterior, steps))
    assert mean.tolist() == pytest.approx([2.0] * len(VARIANCES), rel=1e-12)


@pytest.mark.parametrize(("name", "process"), CASES, ids=map(" on ".join, CASES))
def test_a_single_step_gives_the_mean_and_no_spread(name, process):
    posterior = GaussianPosterior(process, mean=2.0, variances=VARIANCES)
    mean, deviation = posterior.drawn(full_band(name), _schedule(posterior, 1))
    assert mean.tolist() == pytest.approx([2.0] * len(VARIANCES), rel=1e-12)
    assert deviation.tolist() == [0.0] * len(VARIANCES)


@pytest.mark.parametrize(("name", "process"), CONVERGENT, ids=map(" on ".join, CONVERGENT))
@pytest.mark.parametrize("variance", [0.05, 0.25, 1.0])
def test_the_deviation_comes_to_the_posteriors_as_steps_grow(name, process, variance):
    posterior = GaussianPosterior(process, variances=(variance,))
    errors = [
        abs(posterior.deviation_error(full_band(name), steps).item()) for steps in (4, 32, 1_000)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.015


@pytest.mark.parametrize("eta", [0.2, 0.4, 1.0])
def test_fresh_noise_does_not_change_what_is_drawn_from(eta):
    posterior = GaussianPosterior("diffusion", variances=VARIANCES)
    error = posterior.deviation_error(full_band("ddim_refined", eta=eta), 1_000)
    assert error.abs().max() < 0.01


def test_fresh_noise_in_some_channels_leaves_each_channel_its_own_posterior():
    posterior = GaussianPosterior("diffusion", variances=(0.25, 0.25))
    sampler = SAMPLERS["ddim_refined"].build(torch.tensor([100.0, 6_000.0]), eta=1.0)
    assert posterior.deviation_error(sampler, 1_000).abs().max() < 0.005


@pytest.mark.parametrize("variance", VARIANCES)
def test_the_bridge_sampler_keeps_half_of_the_variance(variance):
    """Every step draws the state's noise anew, and so forgets what the last estimate knew."""
    posterior = GaussianPosterior("bridge", variances=(variance,))
    error = posterior.deviation_error(full_band("bridge"), 1_000)
    assert error.item() == pytest.approx(0.5**0.5 - 1, abs=0.02)


@pytest.mark.parametrize(("name", "order"), [("ddim", 1), ("euler", 1), ("dpmpp_2m", 2)])
@pytest.mark.parametrize("variance", VARIANCES)
def test_twice_the_steps_divide_the_error_by_two_to_the_order(name, order, variance):
    """Between two times inside, where the log-SNR is finite, against the flow's closed form."""

    def error(steps):
        schedule = [cosine_level(0.8 - 0.6 * step / steps) for step in range(steps + 1)]
        posterior = GaussianPosterior("diffusion", mean=0.0, variances=(variance,))
        _, deviation = posterior.drawn(full_band(name), schedule)
        return deviation.item() - _flow_gain(schedule[0], schedule[-1], variance)

    assert error(200) / error(400) == pytest.approx(2**order, rel=0.02)


@pytest.mark.parametrize("variance", [0.05, 0.25, 1.0])
@pytest.mark.parametrize("steps", [8, 16, 32])
def test_the_second_order_needs_fewer_steps(steps, variance):
    posterior = GaussianPosterior("diffusion", variances=(variance,))
    first, second = (
        abs(posterior.deviation_error(full_band(name), steps).item())
        for name in ("ddim", "dpmpp_2m")
    )
    assert second < 0.9 * first


def test_ddim_follows_the_closed_form_of_the_flow():
    """``(x - alpha m) / sqrt(alpha^2 v + sigma^2)`` stays what it is along the flow."""
    start = 0.7
    posterior = GaussianPosterior("diffusion", mean=2.0, variances=(0.25,))
    state = torch.zeros(1, 1, 2, dtype=torch.float64)
    state[:, :, 0] = start
    mean, _ = posterior.drawn(full_band("ddim"), even_schedule(cosine_level, 4_000), state)
    assert mean.item() == pytest.approx(2.0 + 0.25**0.5 * start, abs=1e-3)


@pytest.mark.parametrize("name", ["ddim", "dpmpp_2m", "euler"])
@pytest.mark.parametrize("first_t", [0.2, 0.5, 0.8])
def test_a_warm_start_from_a_sample_keeps_the_posterior(name, first_t):
    schedule = even_schedule(cosine_level, 1_000, first_t)
    posterior = GaussianPosterior("diffusion", mean=2.0, variances=(0.25,))
    start = _warm(schedule[0], mean=2.0, deviation=0.25**0.5)
    mean, deviation = posterior.drawn(full_band(name), schedule, start)
    assert mean.item() == pytest.approx(2.0, abs=1e-9)
    assert deviation.item() == pytest.approx(0.25**0.5, rel=0.005)


@pytest.mark.parametrize("name", ["ddim", "dpmpp_2m", "euler"])
@pytest.mark.parametrize("first_t", [0.2, 0.5, 0.8])
def test_a_warm_start_from_the_mean_keeps_the_mean_and_draws_more_alike(name, first_t):
    """The draft lacks the posterior's variance, so its share of the state is missing."""
    schedule = even_schedule(cosine_level, 1_000, first_t)
    posterior = GaussianPosterior("diffusion", mean=2.0, variances=(0.25,))
    start = _warm(schedule[0], mean=2.0, deviation=0.0)
    mean, deviation = posterior.drawn(full_band(name), schedule, start)
    signal, noise = schedule[0].alpha ** 2 * 0.25, schedule[0].sigma ** 2
    assert mean.item() == pytest.approx(2.0, abs=1e-9)
    expected = (0.25 * noise / (signal + noise)) ** 0.5
    assert deviation.item() == pytest.approx(expected, rel=0.005)


def _schedule(posterior, steps):
    return even_schedule(LEVEL_AT[posterior.process], steps)


def _flow_gain(first, last, variance):
    """How far the flow shrinks deviations between two levels, for one of 1 at the first."""
    return (
        (last.alpha**2 * variance + last.sigma**2) / (first.alpha**2 * variance + first.sigma**2)
    ) ** 0.5


def _warm(level, mean, deviation):
    """Coefficients of ``alpha * draft + sigma * noise``: the mean, the noise, the draft's own."""
    state = torch.zeros(1, 1, 3, dtype=torch.float64)
    state[:, :, 0] = level.alpha * mean
    state[:, :, 1] = level.sigma
    state[:, :, 2] = level.alpha * deviation
    return state
