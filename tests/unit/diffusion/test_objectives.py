import math

import pytest
import torch

from latentsep.diffusion.objectives import OBJECTIVES, Objective, VelocityObjective
from latentsep.diffusion.schedule import Level, cosine_level

SHAPE = (8, 3, 50)
START = Level(0, 1)


@pytest.fixture(params=sorted(OBJECTIVES))
def objective(request):
    return OBJECTIVES[request.param]()


class RecordingNetwork:
    """Answers with what a function makes of the state and sigma; keeps what it was asked."""

    local = True
    receptive_radius_frames = 0
    stride_frames = 1

    def __init__(self, answer, heads=(), spread=None):
        self.answer = answer
        self.heads = heads
        self.spread = spread

    def condition(self, mixture):
        return (mixture,)

    def regress(self, condition):
        return self.heads

    def log_variance(self, condition):
        return self.spread

    def __call__(self, state, condition, sigma):
        self.state, (self.mixture,), self.sigma = state, condition, sigma
        return self.answer(state, sigma)


def _knowing(objective, clean, heads=()):
    """A network that always gives the right answer for some clean latents."""

    def velocity(state, sigma):
        sigma = sigma.double()[:, None, None]
        alpha = (1 - sigma.square()).sqrt()
        noise = (state - alpha * clean) / sigma
        return (alpha * noise - sigma * clean).float()

    is_diffusion = objective.process == "diffusion"
    return RecordingNetwork(velocity if is_diffusion else lambda state, sigma: clean, heads)


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def _pair():
    clean, rest = torch.randn((2, *SHAPE), generator=_generator(9)).unbind(0)
    return clean, clean + rest


def test_every_objective_keeps_the_protocol(objective):
    assert isinstance(objective, Objective)


def test_the_right_answer_costs_nothing_and_a_wrong_one_its_square(objective):
    clean, mixture = _pair()
    network = _knowing(objective, clean)
    assert objective.loss(network, clean, mixture, _generator()).item() < 1e-9
    wrong = RecordingNetwork(lambda state, sigma: network.answer(state, sigma) + 0.5)
    loss = objective.loss(wrong, clean, mixture, _generator())
    torch.testing.assert_close(loss, torch.tensor(0.25))


def test_regression_heads_add_the_mean_of_their_errors_times_a_weight():
    clean, mixture = _pair()
    heads = (clean + 1, clean - 2)  # mean squared errors of 1 and 4
    for name, build in OBJECTIVES.items():
        for weight in (0.0, 0.1, 1.0):
            objective = build(regression_weight=weight)
            network = _knowing(objective, clean, heads)
            loss = objective.loss(network, clean, mixture, _generator())
            assert loss.item() == pytest.approx(2.5 * weight, abs=1e-5), name


def test_what_a_network_says_of_its_spread_is_measured_by_the_likelihood():
    clean, mixture = _pair()
    for name, build in OBJECTIVES.items():
        objective = build()
        head, losses = (clean + 2).requires_grad_(), []
        for variance in (2.0, 4.0, 8.0):
            network = _knowing(objective, clean, (clean, head))
            network.spread = torch.full_like(clean, variance).log()
            losses.append(objective.loss(network, clean, mixture, _generator()))
        # Missed by 2, a square of 4; the heads' errors are 0 and 4.
        expected = [2 + 0.5 * (math.log(variance) + 4 / variance) for variance in (2, 4, 8)]
        assert [loss.item() for loss in losses] == pytest.approx(expected, abs=1e-4), name
        (gradient,) = torch.autograd.grad(losses[1], head)
        torch.testing.assert_close(gradient.sum(), torch.tensor(2.0))  # of the error alone


def test_the_loss_depends_on_its_generator_alone(objective):
    clean, mixture = _pair()
    states = []
    for seed in (1, 1):
        network = _knowing(objective, clean)
        objective.loss(network, clean, mixture, _generator(seed))
        states.append(network.state)
    assert torch.equal(*states)


def test_a_sampler_starts_where_the_process_does(objective):
    _, mixture = _pair()
    if objective.process == "bridge":
        assert objective.start(mixture, lambda: pytest.fail("noise was drawn")) is mixture
    else:
        noise = torch.ones(SHAPE)
        assert objective.start(mixture, lambda: noise) is noise


@pytest.mark.parametrize("temperature", [-0.1, 0, 1.1, float("nan")])
def test_a_temperature_out_of_range_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature must be above 0 and at most 1"):
        VelocityObjective(temperature=temperature)


def test_the_schedule_has_as_many_levels_as_steps_and_one(objective):
    for steps in range(1, min(4, objective.max_steps) + 1):
        schedule = objective.schedule(steps)
        assert schedule[0] == START
        assert schedule[-1] == Level(1, 0)
        assert len(schedule) == steps + 1


def test_a_clean_estimate_comes_from_one_call_told_sigma_once_for_all_items(objective):
    clean, mixture = _pair()
    level = objective.schedule(1)[0] if objective.max_steps == 1 else objective.schedule(2)[1]
    state = level.alpha * clean + level.sigma * mixture
    network = _knowing(objective, clean)
    estimate = objective.clean(network, state, (mixture,), level)
    torch.testing.assert_close(estimate, clean, rtol=0, atol=1e-5)
    assert network.sigma.tolist() == pytest.approx([level.sigma])


def test_half_of_the_examples_of_a_bridge_stand_at_the_mixture():
    clean, mixture = _pair()
    objective = OBJECTIVES["bridge"](spread=0.15, start_share=0.5)
    network = _knowing(objective, clean)
    objective.loss(network, clean, mixture, _generator())
    assert torch.equal(network.state[:4], mixture[:4])
    assert network.sigma[:4].tolist() == [1] * 4
    assert (network.sigma[4:] < 1).all()


def test_states_lie_on_the_bridge_with_its_spread():
    clean, mixture = torch.zeros(4, 1, 20_000), torch.ones(4, 1, 20_000)
    objective = OBJECTIVES["bridge"](spread=0.3, start_share=0.0)
    network = _knowing(objective, clean)
    objective.loss(network, clean, mixture, _generator())
    for state, sigma in zip(network.state, network.sigma, strict=True):
        # Mean: (1 - sigma) * 0 + sigma * 1. Deviation: 0.3 * sqrt(sigma (1 - sigma)).
        assert state.mean().item() == pytest.approx(sigma.item(), abs=0.01)
        deviation = 0.3 * (sigma * (1 - sigma)).sqrt().item()
        assert state.std().item() == pytest.approx(deviation, rel=0.03)


def test_regression_always_stands_at_the_mixture():
    clean, mixture = _pair()
    objective = OBJECTIVES["regression"]()
    network = _knowing(objective, clean)
    objective.loss(network, clean, mixture, _generator())
    assert torch.equal(network.state, mixture)
    assert objective.max_steps == 1


def test_states_of_a_diffusion_are_noise_and_clean_latents_whose_weights_have_unit_power():
    clean, mixture = torch.ones(4, 1, 20_000), torch.full((4, 1, 20_000), 9.0)
    objective = OBJECTIVES["v"]()
    network = _knowing(objective, clean)
    objective.loss(network, clean, mixture, _generator())
    for state, sigma in zip(network.state, network.sigma, strict=True):
        assert state.mean().item() == pytest.approx((1 - sigma**2).sqrt().item(), abs=0.02)
        assert state.std().item() == pytest.approx(sigma.item(), rel=0.03)


def test_at_the_start_a_diffusion_is_a_regression():
    """The state is noise alone, ``v`` is minus the clean latents, and so is the estimate."""
    clean, mixture = _pair()
    objective = OBJECTIVES["v"](start_share=1.0)
    network = RecordingNetwork(lambda state, sigma: -(clean + 0.5))
    loss = objective.loss(network, clean, mixture, _generator())
    torch.testing.assert_close(loss, torch.tensor(0.25))
    assert network.sigma.tolist() == [1] * SHAPE[0]
    drawn = _generator()
    torch.rand(SHAPE[0], generator=drawn)  # the times
    assert torch.equal(network.state, torch.randn(SHAPE, generator=drawn))
    estimate = objective.clean(network, network.state, (mixture,), START)
    assert torch.equal(estimate, clean + 0.5)


def test_a_share_of_a_diffusions_examples_stands_at_the_start():
    clean, mixture = _pair()
    for share, count in ((0.0, 0), (0.5, 4), (1.0, 8)):
        objective = OBJECTIVES["v"](start_share=share)
        network = _knowing(objective, clean)
        objective.loss(network, clean, mixture, _generator())
        assert network.sigma.eq(1).sum() == count


@pytest.mark.parametrize(
    ("high_noise", "share_above_half"), [(0.0, 0.5), (1.0, 0.75), (3.0, 0.9375)]
)
def test_more_examples_have_much_noise_if_that_is_wanted(high_noise, share_above_half):
    # Of density (k + 1) t^k there lies 1 - 2^-(k + 1) above one half.
    clean = torch.zeros(20_000, 1, 1)
    objective = OBJECTIVES["v"](high_noise=high_noise)
    network = _knowing(objective, clean)
    objective.loss(network, clean, clean, _generator())
    above = network.sigma > cosine_level(0.5).sigma
    assert above.float().mean().item() == pytest.approx(share_above_half, abs=0.01)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("bridge", {"spread": -0.1}),
        ("bridge", {"spread": math.inf}),
        ("bridge", {"spread": math.nan}),
        ("bridge", {"start_share": 1.5}),
        ("bridge", {"regression_weight": -1.0}),
        ("regression", {"regression_weight": math.nan}),
        ("v", {"start_share": -0.5}),
        ("v", {"high_noise": -0.5}),
        ("v", {"regression_weight": math.inf}),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_by_name(name, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        OBJECTIVES[name](**options)
