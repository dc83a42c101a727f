import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentsep.separation.draws import mean_and_variance, spread_db


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


def test_a_spread_is_a_ratio_of_energies_in_decibels():
    assert spread_db(1.0, 1_000.0) == pytest.approx(-30.0)


@pytest.mark.parametrize(("spread", "energy"), [(0, 0), (0, 1), (1, 0), (math.nan, 1)])
def test_no_energy_has_no_level(spread, energy):
    assert spread_db(spread, energy) is None
