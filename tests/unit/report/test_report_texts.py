import pytest
from report_documents import ACTIVITY, BLEED

from latentsep.report.document import Measure
from latentsep.report.texts import (
    number_text,
    one_line,
    place_text,
    time_text,
    value_text,
)

BANDWIDTH = Measure("bandwidth_hz", "Bandwidth", "Hz", "", 0.0, 24_000.0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"), (0.44, "0.4 s"), (12.3, "12 s"), (59.6, "60 s"), (185.0, "3 min 05 s"),
        (7_260.0, "2 h 01 min"), (187_200.0, "2 d 04 h"),
    ],
)  # fmt: skip
def test_times(seconds, text):
    assert time_text(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"), (0.042, "0.042"), (0.5, "0.5"), (5.26, "5.3"), (18.9, "19"), (54.0, "54"),
        (1_234.5, "1,234"),
    ],
)  # fmt: skip
def test_numbers(number, text):
    assert number_text(number) == text


@pytest.mark.parametrize(
    ("value", "measure", "text"),
    [
        (-22.54, BLEED, "\N{MINUS SIGN}22.5 dB"), (0.317, ACTIVITY, "0.32"),
        (16_012.3, BANDWIDTH, "16,012 Hz"),
    ],
)  # fmt: skip
def test_values_have_the_decimals_that_their_range_deserves(value, measure, text):
    assert value_text(value, measure) == text


def test_places_in_a_track():
    assert place_text(62.4) == "1:02"


def test_what_does_not_show_is_spelled_out():
    assert one_line("a\nb\u202e\ud800é") == r"a\nb\u202e\ud800é"
