import pytest
import torch

from latentsep.diffusion.objectives import OBJECTIVES, BridgeObjective, Objective
from latentsep.diffusion.schedule import Level

SHAPE = (8, 3, 50)


@pytest.fixture(params=sorted(OBJECTIVES))
def objective(request):
    return OBJECTIVES[request.param]()


class RecordingNetwork:
    """Answers with what it is told to; keeps what it was asked."""

    local = True
    receptive_radius_frames = 0
    stride_frames = 1

    def __init__(self, answer):
        self.answer = answer

    def condition(self, mixture):
        return (mixture,)

    def regress(self, condition):
        return ()

    def __call__(self, state, condition, sigma):
        self.state, (self.mixture,), self.sigma = state, condition, sigma
        return self.answer


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def _pair():
    clean, rest = torch.randn((2, *SHAPE), generator=_generator(9)).unbind(0)
    return clean, clean + rest


def test_every_objective_keeps_the_protocol(objective):
    assert isinstance(objective, Objective)


def test_the_right_answer_costs_nothing_and_a_wrong_one_its_square(objective):
    clean, mixture = _pair()
    assert objective.loss(RecordingNetwork(clean), clean, mixture, _generator()) == 0
    loss = objective.loss(RecordingNetwork(clean + 0.5), clean, mixture, _generator())
    torch.testing.assert_close(loss, torch.tensor(0.25))


def test_the_loss_depends_on_its_generator_alone(objective):
    clean, mixture = _pair()
    states = []
    for seed in (1, 1):
        network = RecordingNetwork(clean)
        objective.loss(network, clean, mixture, _generator(seed))
        states.append(network.state)
    assert torch.equal(*states)


def test_a_sampler_starts_from_the_mixture_and_draws_nothing_for_it(objective):
    _, mixture = _pair()
    assert objective.start(mixture, lambda: pytest.fail("noise was drawn")) is mixture


def test_the_schedule_has_as_many_levels_as_steps_and_one(objective):
    for steps in range(1, min(4, objective.max_steps) + 1):
        schedule = objective.schedule(steps)
        assert schedule[0] == Level(0, 1)
        assert schedule[-1] == Level(1, 0)
        assert len(schedule) == steps + 1


def test_the_estimate_is_the_networks_and_sigma_is_told_once_for_all_items(objective):
    clean, mixture = _pair()
    network = RecordingNetwork(clean)
    assert objective.clean(network, mixture, (mixture,), Level(0.25, 0.75)) is clean
    assert network.sigma.tolist() == [0.75]


def test_half_of_the_examples_of_a_bridge_stand_at_the_mixture():
    clean, mixture = _pair()
    network = RecordingNetwork(clean)
    BridgeObjective(spread=0.15, start_share=0.5).loss(network, clean, mixture, _generator())
    assert torch.equal(network.state[:4], mixture[:4])
    assert network.sigma[:4].tolist() == [1] * 4
    assert (network.sigma[4:] < 1).all()


def test_states_lie_on_the_bridge_with_its_spread():
    clean, mixture = torch.zeros(4, 1, 20_000), torch.ones(4, 1, 20_000)
    network = RecordingNetwork(clean)
    BridgeObjective(spread=0.3, start_share=0.0).loss(network, clean, mixture, _generator())
    for state, sigma in zip(network.state, network.sigma, strict=True):
        # Mean: (1 - sigma) * 0 + sigma * 1. Deviation: 0.3 * sqrt(sigma (1 - sigma)).
        assert state.mean().item() == pytest.approx(sigma.item(), abs=0.01)
        deviation = 0.3 * (sigma * (1 - sigma)).sqrt().item()
        assert state.std().item() == pytest.approx(deviation, rel=0.03)


def test_regression_always_stands_at_the_mixture():
    clean, mixture = _pair()
    network = RecordingNetwork(clean)
    objective = OBJECTIVES["regression"]()
    objective.loss(network, clean, mixture, _generator())
    assert torch.equal(network.state, mixture)
    assert objective.max_steps == 1
