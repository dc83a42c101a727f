from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentsep.catalogue.status import DoneCount, ResultCount
from latentsep.report.course import MOST_BINS, course_of, realtime_factor_of

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def commits(seconds):
    """A count of one track of 10 s for each commit."""
    times = {BEGIN + timedelta(seconds=each): DoneCount(1, 10.0, 0) for each in seconds}
    return ResultCount(DoneCount(len(times), 10.0 * len(times), 0), times)


@given(st.sets(st.integers(0, 10**6), max_size=200), st.sets(st.integers(0, 10**6), max_size=5))
def test_every_commit_falls_into_one_of_the_bins(seconds, reject_seconds):
    rejects = {BEGIN + timedelta(seconds=each): 2 for each in reject_seconds}
    course = course_of(commits(seconds), rejects, None)
    if course is None:
        assert not seconds
        assert not reject_seconds
        return
    assert sum(course.tracks) == len(seconds)
    assert sum(course.audio_s) == pytest.approx(10.0 * len(seconds))
    assert sum(course.rejects) == 2 * len(reject_seconds)
    assert 1 <= len(course.tracks) == len(course.audio_s) == len(course.rejects) <= MOST_BINS
    last = BEGIN + timedelta(seconds=max(seconds | reject_seconds))
    end = course.begin + timedelta(seconds=course.bin_s * len(course.tracks))
    assert (end - last).total_seconds() > -1e-3


def test_it_begins_with_the_run_so_one_commit_has_a_speed():
    course = course_of(commits([20]), {}, BEGIN)
    assert (course.begin, course.bin_s, course.audio_s) == (BEGIN, 20.0, (10.0,))
    assert realtime_factor_of(course) == 0.5


def test_a_run_that_says_to_have_begun_after_its_first_commit_is_not_believed():
    assert course_of(commits([0, 60]), {}, BEGIN + timedelta(seconds=30)).begin == BEGIN


def test_nothing_committed_is_no_course():
    assert course_of(commits([]), {}, BEGIN) is None
    assert realtime_factor_of(None) is None
