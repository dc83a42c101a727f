import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_training import pcm_noise

from latentsep.training.augment import (
    NOISE_DB,
    change_speed,
    change_tempo,
    compress,
    noise_under,
    reverberate,
    shift_pitch,
    swap_and_flip,
    vary,
)

RATE_HZ = 44_100
SAMPLES = 40_000
INSIDE = slice(4_000, 24_000)


def _tone(frequency_hz, samples=SAMPLES):
    tone = np.sin(2 * np.pi * frequency_hz / RATE_HZ * np.arange(samples))
    return np.stack([tone, 0.5 * tone]).astype(np.float32)


def _noise(samples=SAMPLES):
    return np.random.default_rng(0).standard_normal((2, samples)).astype(np.float32) * 0.1


def _pitch_hz(piece):
    heard = piece[0, INSIDE]
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard)), 2**18))
    return spectrum.argmax() * RATE_HZ / 2**18


def _rms(piece):
    return float(np.sqrt(np.mean(np.square(piece))))


@given(seed=st.integers(0, 2**32 - 1), samples=st.integers(1, 9_000))
def test_a_varied_stem_keeps_its_shape_and_stays_finite(seed, samples):
    varied = vary(_noise(samples), np.random.default_rng(seed))
    assert varied.shape == (2, samples)
    assert varied.dtype == np.float32
    assert np.isfinite(varied).all()


@pytest.mark.parametrize("tempo", [0.8, 1.0, 1.25])
def test_another_tempo_keeps_pitch_level_and_balance(tempo):
    changed = change_tempo(_tone(440), tempo)
    assert _pitch_hz(changed) == pytest.approx(440, abs=2)
    assert _rms(changed[0, INSIDE]) == pytest.approx(np.sqrt(0.5), rel=0.02)
    np.testing.assert_allclose(changed[1], changed[0] / 2, atol=1e-6)


@pytest.mark.parametrize("tempo", [0.8, 1.25])
def test_another_tempo_moves_what_happens(tempo):
    """A click at 20,000 samples is heard at 20,000 / tempo, give or take the search."""
    piece = np.zeros((2, SAMPLES), np.float32)
    piece[:, 20_000] = 1.0
    heard = int(np.abs(change_tempo(piece, tempo)[0]).argmax())
    assert heard == pytest.approx(20_000 / tempo, abs=2_100)


def test_the_tempo_it_has_only_shifts_it():
    """By where the best piece was found first; from there on everything is taken in turn."""
    noise = _noise()
    changed = change_tempo(noise, 1.0)[0, 1_024:20_000]
    likeness = np.correlate(noise[0, :22_000], changed, "valid") / (changed @ changed)
    assert likeness.max() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("semitones", [-3, 2])
def test_another_pitch_is_that_many_semitones_away(semitones):
    shifted = shift_pitch(_tone(440), semitones)
    assert _pitch_hz(shifted) == pytest.approx(440 * 2 ** (semitones / 12), rel=0.01)


def test_speed_moves_the_pitch_along():
    assert _pitch_hz(change_speed(_tone(440), 1.1)) == pytest.approx(484, rel=0.005)


@given(seed=st.integers(0, 2**32 - 1))
def test_noise_lies_within_its_levels_under_the_mixture(seed):
    mixture = _noise(2_000)
    level_db = 20 * np.log10(
        _rms(noise_under(mixture, np.random.default_rng(seed))) / _rms(mixture)
    )
    assert NOISE_DB[0] - 0.1 <= level_db <= NOISE_DB[1] + 0.1


def test_silence_gets_no_noise():
    silence = np.zeros((2, 500), np.float32)
    assert not noise_under(silence, np.random.default_rng(0)).any()


def test_a_lossy_copy_lies_where_the_mixture_was_and_differs_from_it():
    mixture = _tone(440) * 0.3 + _noise() * 0.3
    heard = compress(mixture, RATE_HZ, np.random.default_rng(0))
    assert heard.shape == mixture.shape
    error_db = 20 * np.log10(_rms(heard - mixture) / _rms(mixture))
    assert -60 < error_db < -10
    assert _rms(heard[:, 1:] - mixture[:, :-1]) > 1.5 * _rms(heard - mixture)


def test_a_mixture_beyond_full_scale_is_not_clipped_by_the_lossy_codec():
    heard = compress(3 * _tone(440), RATE_HZ, np.random.default_rng(0))
    assert np.abs(heard).max() == pytest.approx(3, rel=0.1)


def test_reverberation_adds_to_the_stem_and_keeps_its_start():
    wet = reverberate(_noise(3_000), pcm_noise(3, 400), np.random.default_rng(0))
    assert wet.shape == (2, 3_000)
    assert 0.04 < _rms(wet - _noise(3_000)) / _rms(_noise(3_000)) < 0.8


def test_sides_are_swapped_in_both_stems_or_in_none():
    vocals, rest = _tone(440), _tone(220)
    seen = set()
    for seed in range(30):
        one, other = swap_and_flip(vocals, rest, np.random.default_rng(seed))
        swapped = bool(np.array_equal(other, rest[::-1]))
        as_it_was = one[::-1] if swapped else one
        flipped = bool(np.array_equal(as_it_was, -vocals))
        assert flipped or np.array_equal(as_it_was, vocals)
        seen.add((swapped, flipped))
    assert len(seen) == 4


def test_noise_may_be_darker_than_white():
    """Of the draws, half have less power above the middle of the band than below."""
    darker = 0
    for seed in range(20):
        noise = noise_under(_noise(4_096), np.random.default_rng(seed))
        power = np.abs(np.fft.rfft(noise[0])) ** 2
        darker += power[: len(power) // 2].sum() > 1.5 * power[len(power) // 2 :].sum()
    assert darker > 10
