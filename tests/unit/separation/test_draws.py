import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentsep.separation.draws import SpreadLane, mean_and_variance, spread_db


@given(count=st.integers(2, 9), offset=st.floats(-3, 3), spread=st.sampled_from([1e-3, 0.1, 1.0]))
def test_mean_and_variance_are_those_of_all_draws_at_once(count, offset, spread):
    draws = offset + spread * torch.randn((count, 2, 3), generator=torch.Generator().manual_seed(0))
    mean, variance = mean_and_variance(iter(draws))
    exact = draws.double()
    torch.testing.assert_close(mean.double(), exact.mean(dim=0), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(variance.double(), exact.var(dim=0), rtol=1e-2, atol=1e-12)


def test_a_single_draw_is_its_own_mean_and_does_not_vary():
    draw = torch.randn(2, 3)
    mean, variance = mean_and_variance([draw])
    assert torch.equal(mean, draw)
    assert not variance.any()


def test_equal_draws_do_not_vary():
    draw = torch.randn(2, 3)
    _, variance = mean_and_variance([draw] * 5)
    assert variance.max() < 1e-12


@given(frames=st.integers(1, 60), cuts=st.lists(st.integers(0, 60), max_size=5))
def test_seconds_do_not_depend_on_where_windows_end(frames, cuts):
    energies = torch.rand((2, frames), generator=torch.Generator().manual_seed(frames)).double()
    whole, cut = SpreadLane(hop_samples=3, sample_rate_hz=10), SpreadLane(3, 10)
    whole.add(energies)
    for piece in torch.tensor_split(energies, sorted(min(c, frames) for c in cuts), dim=1):
        cut.add(piece)
    seconds = -(-3 * frames // 10)
    assert cut.by_second_db(seconds) == pytest.approx(whole.by_second_db(seconds))
    assert cut.total_db() == pytest.approx(whole.total_db())


def test_frames_belong_to_seconds_worked_by_hand():
    lane = SpreadLane(hop_samples=3, sample_rate_hz=10)
    # Frames at 0, 0.3, 0.6, 0.9 | 1.2, 1.5, 1.8 | 2.1 s.
    lane.add(torch.tensor([[1.0, 1, 1, 1, 0, 0, 0, 5], [100, 100, 100, 100, 1, 1, 1, 0.5]]))
    assert lane.by_second_db(4) == [pytest.approx(-20), None, pytest.approx(10), None]
    assert lane.total_db() == pytest.approx(10 * math.log10(9 / 403.5))


def test_a_spread_is_a_ratio_of_energies_in_decibels():
    assert spread_db(1.0, 1_000.0) == pytest.approx(-30.0)


@pytest.mark.parametrize(("spread", "energy"), [(0, 0), (0, 1), (1, 0), (math.nan, 1)])
def test_no_energy_has_no_level(spread, energy):
    assert spread_db(spread, energy) is None
