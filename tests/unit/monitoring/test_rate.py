import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentsep.monitoring.rate import RecentRate


def test_before_there_is_anything_there_is_no_rate():
    rate = RecentRate(600)
    assert rate.at(0.0, 0.0) is None
    assert rate.at(50.0, 0.0) is None


def test_it_forgets_what_is_longer_ago_than_the_span():
    rate = RecentRate(span_s=100)
    total = 0.0
    for now_s in range(10, 1000, 10):
        total += 10 * (5 if now_s <= 500 else 2)
        told = rate.at(now_s, total)
        if now_s in (400, 500):
            assert told == pytest.approx(5)
        if now_s >= 600:
            assert told == pytest.approx(2)


def test_a_job_that_stands_still_falls_to_zero():
    rate = RecentRate(span_s=60)
    assert rate.at(10.0, 100.0) == pytest.approx(10)
    for now_s in range(20, 200, 5):
        told = rate.at(now_s, 100.0)
    assert told == 0


@given(st.lists(st.floats(0.001, 50), min_size=1, max_size=200))
def test_of_a_steady_total_it_is_the_slope_however_often_it_is_asked(pauses):
    rate, now_s = RecentRate(span_s=30), 0.0
    for pause_s in pauses:
        now_s += pause_s
        assert rate.at(now_s, 3 * now_s) == pytest.approx(3)
    assert len(rate._seen) <= 30 + 2
