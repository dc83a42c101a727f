import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentsep.quality import reference as module
from latentsep.quality.reference import SdrAccumulator, sdr_db, si_sdr_db

SEEDS = st.integers(0, 2**32 - 1)


def _pair(seed, n_samples=300, n_channels=2):
    rng = np.random.default_rng(seed)
    reference = rng.standard_normal((n_channels, n_samples)).astype(np.float32)
    estimate = reference + 0.5 * rng.standard_normal(reference.shape).astype(np.float32)
    return reference, estimate


@pytest.mark.parametrize(
    ("gain", "expected_db"), [(0.9, 20.0), (0.5, 6.0206), (0.0, 0.0), (-1.0, -6.0206)]
)
def test_sdr_of_a_pure_gain_has_its_closed_form(gain, expected_db):
    reference, _ = _pair(1)
    assert sdr_db(reference, gain * reference) == pytest.approx(expected_db, abs=1e-4)


def test_sdr_sums_over_channels_before_the_ratio():
    reference = np.array([[1.0, 1.0], [1.0, 1.0]], np.float32)
    estimate = np.array([[1.0, 1.0], [1.0, 0.0]], np.float32)
    assert sdr_db(reference, estimate) == pytest.approx(10 * math.log10(4))


def test_si_sdr_of_a_case_worked_by_hand():
    # a = 1 / 1, residual energy 0.25 against target energy 1.
    reference = np.array([[1.0, 0.0]], np.float32)
    estimate = np.array([[1.0, 0.5]], np.float32)
    assert si_sdr_db(reference, estimate) == pytest.approx(10 * math.log10(4))


def test_si_sdr_does_not_remove_the_mean():
    reference = np.array([[1.0, 0.0, 0.0, 0.0]], np.float32)
    estimate = reference + 1.0
    # a = 2, residual (0, 1, 1, 1).
    assert si_sdr_db(reference, estimate) == pytest.approx(10 * math.log10(4 / 3))


def test_si_sdr_fits_one_scalar_for_all_channels():
    reference = np.ones((2, 8), np.float32)
    estimate = reference * np.array([[1.0], [0.0]], np.float32)
    # a = 0.5, residual of 0.5 everywhere.
    assert si_sdr_db(reference, estimate) == pytest.approx(0.0)


@pytest.mark.parametrize("metric", [sdr_db, si_sdr_db])
def test_a_silent_reference_is_undefined(metric):
    silence = np.zeros((2, 50), np.float32)
    assert metric(silence, silence) is None
    assert metric(silence, silence + 1) is None
    assert metric(np.zeros((2, 0), np.float32), np.zeros((2, 0), np.float32)) is None


@pytest.mark.parametrize("metric", [sdr_db, si_sdr_db])
def test_an_exact_estimate_scores_infinity(metric):
    reference, _ = _pair(2)
    assert metric(reference, reference.copy()) == math.inf


def test_si_sdr_at_its_limits():
    reference = np.array([[1.0, 0.0]], np.float32)
    assert si_sdr_db(reference, 3 * reference) == math.inf
    assert si_sdr_db(reference, np.zeros_like(reference)) == -math.inf
    assert si_sdr_db(reference, reference[:, ::-1]) == -math.inf


@pytest.mark.parametrize("metric", [sdr_db, si_sdr_db])
@pytest.mark.parametrize("shapes", [((2, 5), (2, 6)), ((1, 5), (2, 5)), ((5,), (5,))])
def test_shapes_that_do_not_fit_are_named(metric, shapes):
    reference, estimate = (np.ones(s, np.float32) for s in shapes)
    with pytest.raises(ValueError, match=r"\[channel, sample\]") as caught:
        metric(reference, estimate)
    assert str(shapes[0]) in str(caught.value)
    assert str(shapes[1]) in str(caught.value)


@given(seed=SEEDS, gain=st.floats(1e-3, 1e3), sign=st.sampled_from([-1.0, 1.0]))
def test_si_sdr_ignores_the_gain_of_the_estimate(seed, gain, sign):
    reference, estimate = (x.astype(np.float64) for x in _pair(seed))
    expected = si_sdr_db(reference, estimate)
    assert si_sdr_db(reference, sign * gain * estimate) == pytest.approx(expected, abs=1e-6)


@given(seed=SEEDS)
def test_si_sdr_is_bounded_below_by_sdr(seed):
    reference, estimate = _pair(seed)
    # |r - e| is at least the distance from r to the line through e, |r| sin(angle), and SI-SDR is
    # 1 / sin^2 - 1 of the same angle.
    sdr, si_sdr = sdr_db(reference, estimate), si_sdr_db(reference, estimate)
    assert si_sdr >= 10 * math.log10(max(10 ** (sdr / 10) - 1, 1e-12)) - 1e-6


@given(
    seed=SEEDS,
    n_samples=st.integers(1, 400),
    cuts=st.lists(st.integers(0, 400), max_size=6),
)
def test_the_way_a_track_is_cut_does_not_matter(seed, n_samples, cuts):
    reference, estimate = _pair(seed, n_samples)
    accumulator = SdrAccumulator()
    edges = [0, *sorted(min(c, n_samples) for c in cuts), n_samples]
    for start, stop in pairwise(edges):
        accumulator.add(reference[:, start:stop], estimate[:, start:stop])
    assert accumulator.sdr_db() == pytest.approx(sdr_db(reference, estimate), abs=1e-9)
    assert accumulator.si_sdr_db() == pytest.approx(si_sdr_db(reference, estimate), abs=1e-6)


def test_inner_blocks_do_not_change_the_result(monkeypatch):
    reference, estimate = _pair(3, 1000)
    whole = sdr_db(reference, estimate), si_sdr_db(reference, estimate)
    monkeypatch.setattr(module, "BLOCK_SAMPLES", 7)
    assert sdr_db(reference, estimate) == pytest.approx(whole[0])
    assert si_sdr_db(reference, estimate) == pytest.approx(whole[1])
