import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentsep.diffusion.schedule import Level, bridge_level, bridge_schedule


@given(steps=st.integers(1, 64), spread=st.floats(0, 2))
def test_a_schedule_goes_from_the_start_to_the_clean_end(steps, spread):
    schedule = bridge_schedule(steps, spread)
    assert len(schedule) == steps + 1
    assert schedule[0] == Level(0, 1)
    assert schedule[-1] == Level(1, 0)
    sigmas = [level.sigma for level in schedule]
    assert sigmas == sorted(sigmas, reverse=True)
    assert all(level.alpha + level.sigma == pytest.approx(1) for level in schedule)


def test_the_middle_of_a_bridge_worked_by_hand():
    # spread * sqrt(1/2 * 1/2)
    assert bridge_level(0.5, 0.2) == pytest.approx((0.5, 0.5, 0.1))
    assert bridge_schedule(2, 0.2)[1] == bridge_level(0.5, 0.2)
