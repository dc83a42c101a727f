import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentsep.quality.border_flux import (
    FRAME_SAMPLES,
    excess_percent,
    places_between,
    spectral_flux,
)

RATE_HZ = 44_100
BORDERS = list(range(20_000, 400_000, 30_011))


def _chord(samples=440_000):
    """Slowly swelling tones: something changes everywhere, and nowhere suddenly."""
    time_s = np.arange(samples) / RATE_HZ
    tones = sum(np.sin(2 * np.pi * hz * time_s) for hz in (220.3, 331.7, 1_204.1, 3_011.9))
    swell = 1 + 0.3 * np.sin(2 * np.pi * 0.7 * time_s)
    return (0.1 * swell * np.stack([tones, 0.5 * tones])).astype(np.float32)


def _noise(samples=440_000, seed=0):
    noise = np.random.default_rng(seed).standard_normal((2, samples))
    return (0.1 * noise).astype(np.float32)


def _excess(waveform, borders):
    elsewhere = places_between(borders, waveform.shape[1])
    return excess_percent(spectral_flux(waveform, borders), spectral_flux(waveform, elsewhere))


def test_borders_of_a_smooth_signal_do_not_stand_out():
    assert _excess(_chord(), BORDERS) == pytest.approx(0, abs=10)


def test_borders_of_noise_stand_out_no_more_than_the_noise_does():
    many = list(range(5_000, 435_000, 5_000))
    assert _excess(_noise(), many) == pytest.approx(0, abs=3)


@pytest.mark.parametrize(
    ("waveform", "click"), [(_chord(), 0.03), (_noise(), 5.0)], ids=["chord", "noise"]
)
def test_a_click_at_the_borders_is_found(waveform, click):
    clicked = waveform.copy()
    clicked[:, BORDERS] += click
    assert _excess(clicked, BORDERS) > 50


def test_a_jump_of_phase_at_the_borders_is_found():
    jumped = _chord()
    for border in BORDERS:
        jumped[:, border:] *= -1
    assert _excess(jumped, BORDERS) > 100


def test_a_click_elsewhere_is_not_taken_for_a_border():
    clicked = _chord()
    clicked[:, [border + 10_000 for border in BORDERS]] += 1.0
    assert _excess(clicked, BORDERS) < 10


def test_the_level_does_not_matter():
    places = range(2_000, 400_000, 3_333)
    quiet = spectral_flux(0.1 * _noise(), places)
    np.testing.assert_allclose(quiet, spectral_flux(_noise(), places), rtol=1e-4)


def test_a_sound_that_begins_at_a_place_changes_everything_there():
    onset = _noise(10_000)
    onset[:, :5_000] = 0
    assert spectral_flux(onset, [5_000]).tolist() == [1.0]


@pytest.mark.parametrize("place", [-1, 0, FRAME_SAMPLES - 1, 10_000 - FRAME_SAMPLES // 2 + 1])
def test_a_place_without_room_for_its_spectra_is_left_out(place):
    assert not len(spectral_flux(_noise(10_000), [place]))


@pytest.mark.parametrize("place", [FRAME_SAMPLES, 10_000 - FRAME_SAMPLES // 2])
def test_a_place_with_just_enough_room_counts(place):
    assert len(spectral_flux(_noise(10_000), [place])) == 1


@pytest.mark.parametrize(("level_db", "counts"), [(-57, True), (-63, False)])
def test_a_place_below_60_dbfs_is_silent(level_db, counts):
    noise = 10 ** (level_db / 20) * _noise(10_000) / 0.1
    assert bool(len(spectral_flux(noise.astype(np.float32), [5_000]))) == counts


def test_the_excess_is_that_of_the_medians():
    assert excess_percent(np.array([3.0, 1.0, 99.0]), np.array([2.0])) == pytest.approx(50)
    assert excess_percent(np.array([1.0]), np.array([2.0])) == pytest.approx(-50)


@pytest.mark.parametrize(("at_borders", "elsewhere"), [([], [1.0]), ([1.0], []), ([1.0], [0.0])])
def test_without_anything_to_compare_there_is_no_excess(at_borders, elsewhere):
    assert excess_percent(np.array(at_borders), np.array(elsewhere)) is None


@given(borders=st.lists(st.integers(0, 90_000), max_size=9), samples=st.integers(0, 90_000))
def test_places_between_borders_have_no_border_in_their_spectra(borders, samples):
    places = places_between(borders, samples)
    assert all(0 <= place < samples for place in places)
    assert all(abs(place - border) > FRAME_SAMPLES for place in places for border in borders)
    if not borders:
        assert len(places) == math.ceil(samples / (4 * FRAME_SAMPLES))
