import numpy as np
import pytest

from latentsep.report.document import HIGHEST_HZ, LOWEST_HZ
from latentsep.report.excerpt_levels import BANDS, COLUMNS, FLOOR_DB, levels_db

RATE_HZ = 44_100
EDGES_HZ = np.geomspace(LOWEST_HZ, HIGHEST_HZ, BANDS + 1)


def sine(hz, seconds=2.0, rate_hz=RATE_HZ):
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.sin(2 * np.pi * hz * time_s, dtype=np.float64)[None].astype(np.float32)


@pytest.mark.parametrize("hz", [75.0, 440.0, 3_000.0, 15_000.0])
def test_a_sine_stands_in_its_band(hz):
    middle = levels_db(sine(hz), RATE_HZ)[:, COLUMNS // 2]
    loudest = int(np.argmax(middle))
    band = int(np.searchsorted(EDGES_HZ, hz)) - 1
    # Below some 200 Hz a band is narrower than the window can tell apart.
    assert abs(loudest - band) <= (3 if hz < 200 else 1)


@pytest.mark.parametrize("hz", [100.0, 1_000.0, 10_000.0])
def test_a_sine_at_a_tenth_of_full_scale_has_20_db_below_it_in_any_band(hz):
    assert levels_db(0.1 * sine(hz), RATE_HZ).max() == pytest.approx(-20, abs=2)


def test_time_runs_along_the_columns():
    wave = sine(1_000.0)
    wave[:, wave.shape[1] // 2 :] = 0
    levels = levels_db(wave, RATE_HZ).max(axis=0)
    assert levels[: COLUMNS // 2 - 10].min() > -10
    assert levels[COLUMNS // 2 + 10 :].max() == FLOOR_DB


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 192_000])
@pytest.mark.parametrize("samples", [1, 100, 50_000])
def test_any_length_and_rate_has_the_same_shape_within_the_range(rate_hz, samples):
    noise = np.random.default_rng(0).standard_normal((2, samples)).astype(np.float32)
    levels = levels_db(noise, rate_hz)
    assert (levels.shape, levels.dtype) == ((BANDS, COLUMNS), np.float32)
    assert FLOOR_DB <= levels.min() <= levels.max() <= 0


def test_bands_above_half_the_sample_rate_are_at_the_floor():
    noise = np.random.default_rng(0).standard_normal((1, 8_000)).astype(np.float32)
    above = EDGES_HZ[:-1] > 4_100
    assert np.all(levels_db(noise, 8_000)[above] == FLOOR_DB)
    assert levels_db(noise, 8_000)[~above].min() > FLOOR_DB
