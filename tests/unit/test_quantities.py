import pytest

from latentsep.quantities import audio_text, size_text, time_text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (1_234_567, "1.2 MB"),
        (5 * 10**12, "5.0 TB"), (10**19, "10000.0 PB"),
    ],
)  # fmt: skip
def test_a_size_has_the_largest_unit_that_fits(size_bytes, text):
    assert size_text(size_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 min 00 s"), (59.6, "1 min 00 s"), (3599, "59 min 59 s"), (3600, "1 h 00 min"),
        (86_400 * 2 + 7_200, "2 d 02 h"),
    ],
)  # fmt: skip
def test_a_time_has_its_two_largest_units(seconds, text):
    assert time_text(seconds) == text


def test_audio_is_told_in_hours():
    assert audio_text(5_400_000.0) == "1,500.00 h of audio"
