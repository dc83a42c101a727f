import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentsep.diffusion.schedule import Level, bridge_level, cosine_level, even_schedule

TIMES = st.floats(0, 1)
LEVELS = {"bridge": lambda t: bridge_level(t, 0.3), "cosine": cosine_level}


@pytest.mark.parametrize("name", sorted(LEVELS))
@given(steps=st.integers(1, 1_000))
def test_a_schedule_goes_from_the_start_to_the_clean_end_exactly(name, steps):
    schedule = even_schedule(LEVELS[name], steps)
    assert len(schedule) == steps + 1
    assert schedule[0] == Level(0, 1)
    assert schedule[-1] == Level(1, 0)
    sigmas = [level.sigma for level in schedule]
    assert sigmas == sorted(sigmas, reverse=True)


@pytest.mark.parametrize("name", sorted(LEVELS))
@given(steps=st.integers(1, 64), first_t=st.floats(0.01, 0.99))
def test_a_late_schedule_has_its_steps_between_its_first_time_and_the_clean_end(
    name, steps, first_t
):
    schedule = even_schedule(LEVELS[name], steps, first_t)
    assert len(schedule) == steps + 1
    assert schedule[0] == LEVELS[name](first_t)
    assert schedule[-1] == Level(1, 0)


@given(t=TIMES)
def test_a_diffusion_keeps_the_power_of_unit_latents(t):
    level = cosine_level(t)
    assert level.alpha**2 + level.sigma**2 == pytest.approx(1)
    assert level.alpha == pytest.approx(math.cos(math.pi / 2 * t), abs=1e-15)
    assert level.spread == 0


@given(t=TIMES)
def test_a_bridge_has_no_noise_at_either_end(t):
    assert bridge_level(t, 0.3).alpha + bridge_level(t, 0.3).sigma == pytest.approx(1)
    assert bridge_level(0, 0.3) == Level(1, 0)
    assert bridge_level(1, 0.3) == Level(0, 1)


def test_the_middle_of_a_bridge_worked_by_hand():
    # spread * sqrt(1/2 * 1/2)
    assert bridge_level(0.5, 0.2) == pytest.approx((0.5, 0.5, 0.1))
    assert even_schedule(lambda t: bridge_level(t, 0.2), 2)[1] == bridge_level(0.5, 0.2)
