import numpy as np
import pytest
from audio_media import noise
from hypothesis import given, settings
from hypothesis import strategies as st

from latentsep.audio.resample import StreamResampler, resample, resampled_length

PAIRS = [(44_100, 48_000), (48_000, 44_100), (8_000, 192_000), (192_000, 8_000), (44_100, 22_050)]


def in_blocks(waveform, rates_hz, sizes, total):
    resampler = StreamResampler(*rates_hz, waveform.shape[0])
    cuts = np.cumsum(sizes)
    parts = [resampler.process(part) for part in np.split(waveform, cuts, axis=1)]
    return np.concatenate([*parts, resampler.finish(total)], axis=1)


@settings(max_examples=40, deadline=None)
@given(
    pair=st.sampled_from(PAIRS),
    frames=st.integers(0, 20_000),
    sizes=st.lists(st.integers(0, 7_000), max_size=6),
    channels=st.integers(1, 3),
)
def test_any_cut_gives_the_same_samples_to_the_bit(pair, frames, sizes, channels):
    waveform = noise(channels, frames)
    whole = resample(waveform, *pair)
    cut = in_blocks(waveform, pair, sizes, resampled_length(frames, *pair))
    np.testing.assert_array_equal(cut, whole)


@pytest.mark.parametrize("pair", PAIRS)
def test_an_impulse_stays_in_its_place(pair):
    waveform = np.zeros((1, 2 * pair[0]), np.float32)
    waveform[0, pair[0]] = 1
    # One second in, at either rate.
    assert np.abs(resample(waveform, *pair)).argmax() == pair[1]


@pytest.mark.parametrize("pair", PAIRS)
def test_a_tone_keeps_its_phase_and_level(pair):
    tones = [np.sin(2 * np.pi * 1000 * np.arange(rate) / rate) for rate in pair]
    there = resample(tones[0][None].astype(np.float32), *pair)
    middle = slice(pair[1] // 10, -pair[1] // 10)
    np.testing.assert_allclose(there[0, middle], tones[1][middle], atol=1e-4)


def test_there_and_back_has_the_exact_length():
    for frames in (1, 2, 12_345, 44_100):
        up = resample(noise(2, frames), 44_100, 48_000)
        resampler = StreamResampler(48_000, 44_100, 2)
        back = np.concatenate([resampler.process(up), resampler.finish(frames)], axis=1)
        assert back.shape == (2, frames)


def test_equal_rates_pass_through_untouched():
    waveform = noise(2, 100)
    resampler = StreamResampler(44_100, 44_100, 2)
    assert resampler.process(waveform) is waveform
    assert resampler.finish(100).shape == (2, 0)
    np.testing.assert_array_equal(resample(waveform, 44_100, 44_100), waveform)


def test_misuse_is_refused():
    resampler = StreamResampler(44_100, 44_100, 2)
    with pytest.raises(ValueError, match=r"shape \(3, 5\), a stream of 2 channels"):
        resampler.process(noise(3, 5))
    resampler.process(noise(2, 50))
    with pytest.raises(ValueError, match="total_output_samples is 49, but 50"):
        resampler.finish(49)
    resampler.finish(50)
    with pytest.raises(ValueError, match="it is finished"):
        resampler.process(noise(2, 5))
    with pytest.raises(ValueError, match="output_rate_hz must be above 0, got 0"):
        StreamResampler(44_100, 0, 2)
