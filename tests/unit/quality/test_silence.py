import numpy as np
import pytest

from latentsep.quality.silence import level_in_silence_db

RATE_HZ = 400
FRAME = 100


def _stem(*frame_levels, channels=2):
    """A constant in each frame of a quarter of a second."""
    return np.repeat(np.array(frame_levels, np.float32), FRAME)[None].repeat(channels, axis=0)


@pytest.mark.parametrize(("leak", "expected_db"), [(1.0, 0.0), (0.1, -20.0), (2.0, 6.0206)])
def test_the_level_is_that_of_the_leak_by_the_stem_s_own(leak, expected_db):
    reference, estimate = _stem(1, 0, 1), _stem(0.3, leak, 0.3)
    assert level_in_silence_db(reference, estimate, RATE_HZ) == pytest.approx(expected_db, abs=1e-3)


def test_powers_are_averaged_over_silent_frames_and_over_the_others():
    reference, estimate = _stem(2, 0, 0, 1), _stem(9, 1, 0, 9)
    # Half of 1, by the mean of 4 and 1.
    expected_db = 10 * np.log10(0.5 / 2.5)
    assert level_in_silence_db(reference, estimate, RATE_HZ) == pytest.approx(expected_db, abs=1e-3)


def test_noise_60_db_below_the_stem_is_silence_and_more_is_not():
    estimate = _stem(1, 0.1)
    assert level_in_silence_db(_stem(1, 7e-4), estimate, RATE_HZ) == pytest.approx(-20, abs=0.01)
    assert level_in_silence_db(_stem(1, 8e-4), estimate, RATE_HZ) is None


def test_silence_that_stays_silence_has_the_least_level():
    assert level_in_silence_db(_stem(1, 0), _stem(1, 0), RATE_HZ) == -120
    assert level_in_silence_db(_stem(1, 0), _stem(1, 1e-9), RATE_HZ) == -120


def test_a_rest_shorter_than_a_frame_does_not_count():
    reference = np.concatenate([_stem(1, 1), np.zeros((2, FRAME - 1), np.float32)], axis=1)
    assert level_in_silence_db(reference, reference + 1, RATE_HZ) is None


@pytest.mark.parametrize("reference", [_stem(0, 0), _stem(1, 1), _stem()])
def test_a_stem_that_is_silent_or_never_silent_leaves_it_undefined(reference):
    assert level_in_silence_db(reference, reference + 1, RATE_HZ) is None


@pytest.mark.parametrize("shapes", [((2, 5), (2, 6)), ((5,), (5,))])
def test_shapes_that_do_not_fit_are_named(shapes):
    with pytest.raises(ValueError, match=r"\[channel, sample\]") as caught:
        level_in_silence_db(*(np.ones(shape) for shape in shapes), RATE_HZ)
    assert all(str(shape) in str(caught.value) for shape in shapes)
