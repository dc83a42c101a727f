import numpy as np
import pyloudnorm
import pytest
from audio_media import noise
from hypothesis import given, settings
from hypothesis import strategies as st

from latentsep.audio.loudness import LoudnessMeter, channel_weights, k_weighting
from latentsep.audio.resample import resample

RATES_HZ = [8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 192_000]


def loudness(waveform, rate_hz, sizes=()):
    meter = LoudnessMeter(rate_hz, waveform.shape[0])
    for part in np.split(waveform, np.cumsum(sizes, dtype=int), axis=1):
        meter.add(part)
    return meter.integrated_lufs()


def uneven_noise(channels, rate_hz, seconds=8):
    levels = np.random.default_rng(1).uniform(0, 1, seconds).astype(np.float32)
    return 0.3 * noise(channels, rate_hz * seconds) * np.repeat(levels, rate_hz)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_agrees_with_pyloudnorm(rate_hz, channels):
    waveform = uneven_noise(channels, rate_hz)
    theirs = pyloudnorm.Meter(rate_hz).integrated_loudness(waveform.T.astype(np.float64))
    assert loudness(waveform, rate_hz) == pytest.approx(theirs, abs=0.1)


def test_filters_at_48_khz_are_those_of_the_standard():
    # ITU-R BS.1770-4, annex 1, tables 1 and 2.
    shelf = [1.53512485958697, -2.69169618940638, 1.19839281085285, 1]
    shelf += [-1.69065929318241, 0.73248077421585]
    high_pass = [1, -2, 1, 1, -1.99004745483398, 0.99007225036621]
    np.testing.assert_allclose(k_weighting(48_000), [shelf, high_pass], atol=1e-12)


def test_the_standards_own_example():
    # A full-scale 997 Hz sine in one channel reads -3.01 LUFS.
    sine = np.sin(2 * np.pi * 997 * np.arange(48_000 * 5) / 48_000)[None].astype(np.float32)
    assert loudness(sine, 48_000) == pytest.approx(-3.01, abs=0.005)


@settings(max_examples=25, deadline=None)
@given(
    rate_hz=st.sampled_from([8_000, 11_025, 44_100]),
    sizes=st.lists(st.integers(0, 30_000), max_size=12),
)
def test_the_cut_into_blocks_does_not_matter(rate_hz, sizes):
    waveform = uneven_noise(2, rate_hz, seconds=3)
    whole = loudness(waveform, rate_hz)
    assert loudness(waveform, rate_hz, sizes) == pytest.approx(whole, abs=1e-9)


def test_resampled_music_keeps_its_loudness():
    # At the lowest rates the bilinear transform bends the head shelf a little.
    time_s = np.arange(8_000 * 6) / 8_000
    slow = 0.3 * np.sin(2 * np.pi * np.array([[60.0], [900.0]]) * time_s).astype(np.float32)
    readings = [loudness(resample(slow, 8_000, rate_hz), rate_hz) for rate_hz in RATES_HZ[1:]]
    assert np.ptp([*readings, loudness(slow, 8_000)]) < 0.15
    assert np.ptp(readings[1:]) < 0.02


def test_quiet_parts_are_gated_out():
    loud = uneven_noise(2, 44_100)
    with_silence = np.concatenate([loud, np.zeros_like(loud), 0.001 * loud], axis=1)
    assert loudness(with_silence, 44_100) == pytest.approx(loudness(loud, 44_100), abs=0.2)


@pytest.mark.parametrize("frames", [0, 1, 17_639])
def test_less_than_400_ms_has_no_loudness(frames):
    assert loudness(noise(2, frames), 44_100) is None


def test_silence_has_no_loudness():
    assert loudness(np.zeros((2, 44_100), np.float32), 44_100) is None
    assert loudness(noise(2, 44_100, peak=1e-5), 44_100) is None


def test_surrounds_weigh_more_and_the_low_frequency_channel_nothing():
    np.testing.assert_array_equal(channel_weights(6), [1, 1, 1, 0, 1.41, 1.41])
    np.testing.assert_array_equal(channel_weights(7), np.ones(7))


def test_another_channel_count_is_refused():
    with pytest.raises(ValueError, match=r"shape \(1, 5\), wanted \[2, sample\]"):
        LoudnessMeter(44_100, 2).add(noise(1, 5))
