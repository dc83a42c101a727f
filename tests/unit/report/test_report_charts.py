from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_documents import BLEED, distribution

from latentsep.report.charts import (
    bin_times,
    ceiling,
    histogram,
    place_of,
    rejects_chart,
    shares,
    throughput_chart,
)
from latentsep.report.document import Course

NIGHT = datetime(2026, 11, 28, 23, 59, tzinfo=UTC)


def test_throughput_is_audio_over_time():
    chart = throughput_chart(Course(NIGHT, 10.0, (40.0, 0.0, 10.0), (2, 0, 1), (0, 0, 0)))
    assert [(bar.height, round(bar.x)) for bar in chart.bars] == [(100.0, 13), (25.0, 79)]
    assert chart.y_labels == ("4\u00d7", "2\u00d7", "0")
    assert chart.bars[0].label == "23:59:00: 4\u00d7 real time, 2 tracks"
    assert chart.x_labels == ("23:59:00", "23:59:15", "23:59:30")


def test_times_over_midnight_have_their_day():
    assert bin_times(Course(NIGHT, 60.0, (1.0, 1.0), (1, 1), (0, 0))) == [
        "28 Nov 23:59", "29 Nov 00:00",
    ]  # fmt: skip


def test_a_single_reject_does_not_stand_at_half_a_track():
    chart = rejects_chart(Course(NIGHT, 60.0, (1.0,), (1,), (1,)))
    assert chart.y_labels == ("2", "1", "0")


def test_bars_of_a_histogram_say_their_bounds():
    chart = histogram(distribution(BLEED))
    assert chart.bars[0].label == "\N{MINUS SIGN}60.0 dB to \N{MINUS SIGN}48.0 dB: 1 tracks"
    assert chart.x_labels == ("\N{MINUS SIGN}60.0 dB", "\N{MINUS SIGN}30.0 dB", "0.0 dB")
    assert len(chart.bars) == 4


@pytest.mark.parametrize(("value", "place"), [(-90.0, 0.0), (-30.0, 50.0), (5.0, 100.0)])
def test_places_end_at_the_edges(value, place):
    assert place_of(value, distribution(BLEED)) == place


def test_shares_fill_the_whole_and_of_nothing_there_are_none():
    made = shares([("a", 1.0), ("b", 3.0)])
    assert [(one.name, one.share, one.x, one.width) for one in made] == [
        ("a", 0.25, 0.0, 25.0), ("b", 0.75, 25.0, 75.0),
    ]  # fmt: skip
    assert shares([("a", 0.0)]) == shares([]) == ()


@given(st.floats(1e-6, 1e12))
def test_the_ceiling_is_just_over_the_highest_value(highest):
    assert highest <= ceiling(highest) <= 2.01 * highest


def test_the_ceiling_of_nothing_is_one():
    assert ceiling(0.0) == 1.0
