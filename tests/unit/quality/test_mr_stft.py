import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentsep.quality import mr_stft as module
from latentsep.quality.mr_stft import mr_stft_distance


def _noise(seed, samples=5_000, channels=2):
    return 0.1 * np.random.default_rng(seed).standard_normal((channels, samples))


def _by_the_book(reference, estimate):
    """The definition, one transform after another."""
    distances = []
    for size in (512, 1024, 2048):
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
        magnitudes = []
        for stem in (reference, estimate):
            stem = np.pad(stem, ((0, 0), (0, max(0, size - stem.shape[1]))))
            starts = range(0, stem.shape[1] - size + 1, size // 4)
            spectra = [np.fft.rfft(c[s : s + size] * window) for c in stem for s in starts]
            magnitudes.append(np.sqrt(np.maximum(np.abs(spectra) ** 2, 1e-7)))
        true, ours = magnitudes
        convergence = np.linalg.norm(true - ours) / np.linalg.norm(true)
        distances.append(convergence + np.mean(np.abs(np.log(true) - np.log(ours))))
    return np.mean(distances)


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), samples=st.integers(1, 6_000), channels=st.integers(1, 2))
def test_the_distance_is_that_of_the_definition(seed, samples, channels):
    reference, estimate = _noise(seed, samples, channels), _noise(seed + 1, samples, channels)
    expected = _by_the_book(reference, estimate)
    assert mr_stft_distance(reference, estimate) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("gain", [0.5, 0.9, 2.0])
def test_a_gain_has_its_closed_form(gain):
    reference = _noise(1)
    # | |R| - g |R| | / |R|, and | ln g |; no bin of this noise is at the floor.
    expected = abs(1 - gain) + abs(math.log(gain))
    assert mr_stft_distance(reference, gain * reference) == pytest.approx(expected, abs=1e-4)


def test_equal_stems_have_no_distance_and_a_change_of_sign_is_none():
    reference = _noise(2).astype(np.float32)
    assert mr_stft_distance(reference, reference) == 0
    assert mr_stft_distance(reference, -reference) == 0


def test_silence_in_place_of_a_stem_has_a_convergence_of_nearly_one():
    reference = np.full((1, 2_048), 0.5)
    # All but the lowest two bins of a constant are at the floor, where silence is too.
    assert 0.9 < mr_stft_distance(reference, 0 * reference) < 1.2


def test_phases_do_not_count():
    rng = np.random.default_rng(3)
    times = np.arange(8_000) / 8_000
    partials = [(f, rng.uniform(0, 6)) for f in (440, 880, 1_320)]
    reference = sum(np.sin(2 * np.pi * f * times) for f, _ in partials)[None]
    estimate = sum(np.sin(2 * np.pi * f * times + phase) for f, phase in partials)[None]
    assert mr_stft_distance(reference, estimate) < 0.2


def test_single_precision_is_enough():
    reference, estimate = _noise(4), _noise(5)
    single = mr_stft_distance(reference.astype(np.float32), estimate.astype(np.float32))
    assert single == pytest.approx(mr_stft_distance(reference, estimate), abs=1e-4)


def test_the_blocks_do_not_change_the_distance(monkeypatch):
    reference, estimate = _noise(6), _noise(7)
    whole = mr_stft_distance(reference, estimate)
    monkeypatch.setattr(module, "_BLOCK_FRAMES", 3)
    assert mr_stft_distance(reference, estimate) == pytest.approx(whole, abs=1e-9)


def test_a_silent_reference_is_undefined():
    assert mr_stft_distance(np.zeros((2, 3_000)), _noise(8, 3_000)) is None


@pytest.mark.parametrize("shapes", [((2, 5), (2, 6)), ((5,), (5,))])
def test_shapes_that_do_not_fit_are_named(shapes):
    with pytest.raises(ValueError, match=r"\[channel, sample\]") as caught:
        mr_stft_distance(*(np.ones(shape) for shape in shapes))
    assert all(str(shape) in str(caught.value) for shape in shapes)
