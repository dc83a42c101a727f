import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from latentsep.quality.bsseval import FILTER_TAPS, BssEval, correlations, gram_matrix
from latentsep.quality.museval_bsseval import MusevalBssEval

RATE_HZ = 8_000
METRICS = ("sdr_db", "isr_db", "sir_db", "sar_db")


def _stems(seed, samples, channels=2, sources=2):
    """Coloured stems on the grid of 16 bits, and estimates with all kinds of faults."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((sources, channels, samples))
    coloured = scipy.signal.lfilter([1.0], [1.0, -0.7], noise, axis=-1)
    references = np.round(0.1 * coloured * 2**15) / 2**15
    mixture = references.sum(axis=0)
    # The level is wrong, the others bleed, the sound is dull, and there is noise.
    estimates = scipy.signal.lfilter([0.7, 0.2], [1.0], references, axis=-1) + 0.1 * mixture
    return references, estimates + 0.01 * rng.standard_normal(references.shape)


def _assert_like_museval(references, estimates, frame_samples, tolerance_db=1e-3):
    ours = BssEval(references, frame_samples)(estimates)
    theirs = MusevalBssEval(references, frame_samples)(estimates)
    for metric in METRICS:
        np.testing.assert_allclose(
            getattr(ours, metric), getattr(theirs, metric), rtol=0, atol=tolerance_db
        )


def test_all_four_ratios_are_those_of_museval_in_stereo():
    references, estimates = _stems(1, 2 * RATE_HZ + 77)
    ours = BssEval(references, RATE_HZ)(estimates)
    # The case is an ordinary one: each ratio is finite and between -20 and 40 dB.
    assert all(np.all(np.abs(getattr(ours, metric) - 10) < 30) for metric in METRICS)
    assert ours.sdr_db.shape == (2, 2)
    _assert_like_museval(references, estimates, RATE_HZ)


@settings(max_examples=5)
@given(
    seed=st.integers(0, 2**32 - 1),
    samples=st.integers(3_000, 9_000),
    frame_samples=st.integers(700, 10_000),
    sources=st.integers(2, 3),
)
def test_all_four_ratios_are_those_of_museval_at_any_length(seed, samples, frame_samples, sources):
    references, estimates = _stems(seed, samples, channels=1, sources=sources)
    _assert_like_museval(references, estimates, frame_samples)


def test_equal_channels_have_the_ratios_of_museval_too():
    """A mono recording in stereo has filters that are not unique."""
    references, estimates = (x.repeat(2, axis=1) for x in _stems(2, 9_000, channels=1))
    _assert_like_museval(references, estimates, 4_000)


@pytest.mark.parametrize("silent", ["reference", "estimate"])
def test_frames_with_a_silent_stem_are_undefined_as_in_museval(silent):
    references, estimates = _stems(3, 6_000, channels=1)
    signals = references if silent == "reference" else estimates
    signals[1, :, 2_000:4_000] = 0
    ours = BssEval(references, 2_000)(estimates)
    assert np.isnan(ours.sdr_db).tolist() == [[False, True, False]] * 2
    _assert_like_museval(references, estimates, 2_000)


def test_channels_that_cancel_count_as_silent_as_in_museval():
    references, estimates = _stems(4, 4_000)
    estimates[0, 1, :2_000] = -estimates[0, 0, :2_000]
    ours = BssEval(references, 2_000)(estimates)
    assert np.isnan(ours.sir_db).tolist() == [[True, False]] * 2
    _assert_like_museval(references, estimates, 2_000)


@pytest.mark.parametrize("evaluator", [BssEval, MusevalBssEval])
@pytest.mark.parametrize("silent", [0, 1])
def test_a_stem_silent_throughout_leaves_everything_undefined(evaluator, silent):
    signals = _stems(5, 3_000, channels=1)
    signals[silent][0] = 0
    frames = evaluator(signals[0], 1_000)(signals[1])
    for metric in METRICS:
        assert getattr(frames, metric).shape == (2, 3)
        assert np.isnan(getattr(frames, metric)).all()


def test_a_gain_is_an_error_of_the_image_alone():
    references, _ = _stems(6, 8_000, channels=1)
    frames = BssEval(references, 4_000)(0.5 * references)
    np.testing.assert_allclose(frames.sdr_db, 6.0206, atol=1e-3)
    np.testing.assert_allclose(frames.isr_db, 6.0206, atol=1e-3)
    assert (frames.sir_db > 100).all()
    assert (frames.sar_db > 100).all()


def test_bleed_of_a_tenth_is_an_interference_of_20_db():
    references = np.random.default_rng(7).standard_normal((2, 1, 64_000))
    frames = BssEval(references, 16_000)(references + 0.1 * references[::-1])
    # A filter of 512 taps explains a little of any other stem: 512 of 64,000 dimensions.
    np.testing.assert_allclose(frames.sir_db, 20, atol=0.4)
    assert (frames.isr_db > 35).all()
    assert (frames.sar_db > 60).all()


def test_noise_of_a_tenth_is_an_artefact_of_20_db():
    rng = np.random.default_rng(8)
    references = rng.standard_normal((2, 1, 64_000))
    frames = BssEval(references, 16_000)(references + 0.1 * rng.standard_normal(references.shape))
    np.testing.assert_allclose(frames.sar_db, 20, atol=0.4)
    assert (frames.sir_db > 35).all()


def test_an_exact_estimate_has_no_error():
    references, _ = _stems(9, 3_000, channels=1)
    assert np.isposinf(BssEval(references, 1_000)(references).sdr_db).all()


def test_a_signal_shorter_than_a_frame_is_one_frame():
    references, estimates = _stems(10, 1_500, channels=1)
    assert BssEval(references, 8_000)(estimates).sdr_db.shape == (2, 1)


def test_correlations_are_the_sums_they_stand_for():
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((2, 150)), rng.standard_normal((3, 150))
    lagged = correlations(left, right, taps=4)
    assert lagged.shape == (2, 3, 7)
    for lag in range(-3, 4):
        padded = np.pad(right, ((0, 0), (3, 3)))[:, 3 + lag : 3 + lag + 150]
        np.testing.assert_allclose(lagged[..., lag + 3], left @ padded.T, atol=1e-9)


def test_the_gram_matrix_holds_products_of_delayed_signals():
    signals, taps = np.random.default_rng(1).standard_normal((2, 40)), 5
    delayed = [np.pad(signal, (t, taps - 1 - t)) for signal in signals for t in range(taps)]
    expected = np.array(delayed) @ np.array(delayed).T
    np.testing.assert_allclose(gram_matrix(signals, taps), expected, atol=1e-9)


def test_the_filters_have_the_length_of_museval():
    assert FILTER_TAPS == 512


@pytest.mark.parametrize("shape", [(2, 100), (2, 2, 0)])
def test_true_stems_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="source, channel, sample") as caught:
        BssEval(np.ones(shape), 10)
    assert str(shape) in str(caught.value)


def test_estimates_of_another_shape_are_refused():
    references, _ = _stems(0, 1_000)
    with pytest.raises(ValueError, match=r"\(2, 2, 999\)"):
        BssEval(references, 500)(references[..., :999])
