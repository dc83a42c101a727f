import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import difference_db

from latentsep.models.config import RefinementConfig
from latentsep.separation.downmix import downmix
from latentsep.separation.refinement import mask_mixture

CONFIG = RefinementConfig(window_samples=256)
RATE_HZ = 8_000


def _noise(seed, channels, samples=4_000):
    return 0.3 * torch.randn((channels, samples), generator=torch.Generator().manual_seed(seed))


def _tone(frequency_hz, samples=8_000):
    time_s = torch.arange(samples) / RATE_HZ
    return 0.3 * torch.sin(2 * math.pi * frequency_hz * time_s).expand(2, -1)


def _gain(vocals, mixture):
    inside = slice(512, -512)
    return float(vocals[:, inside].norm() / mixture[:, inside].norm())


@pytest.mark.parametrize("channels", [1, 2, 3, 6])
def test_a_guide_that_is_the_mixture_gives_the_mixture(channels):
    mixture = _noise(0, channels)
    vocals = mask_mixture(downmix(mixture), mixture, CONFIG, band_share=1.0)
    assert vocals.shape == mixture.shape
    assert difference_db(vocals, mixture) < -100


@pytest.mark.parametrize("channels", [1, 2, 3, 6])
@pytest.mark.parametrize("band_share", [0.4, 1.0])
def test_a_silent_guide_gives_silence(channels, band_share):
    mixture = _noise(1, channels)
    vocals = mask_mixture(torch.zeros(2, 4_000), mixture, CONFIG, band_share)
    assert not vocals.any()


@pytest.mark.parametrize("band_share", [0.4, 1.0])
def test_a_silent_mixture_gives_silence_whatever_the_guide_says(band_share):
    vocals = mask_mixture(_noise(2, 2), torch.zeros(2, 4_000), CONFIG, band_share)
    assert not vocals.any()


def test_half_of_the_mixture_as_guide_gives_half():
    mixture = _noise(3, 2)
    # |m/2|^2 / (|m/2|^2 + |m/2|^2) = 1/2, whatever the exponent.
    for power in (1.0, 2.0, 3.0):
        config = RefinementConfig(window_samples=256, power=power)
        vocals = mask_mixture(mixture / 2, mixture, config, band_share=1.0)
        assert difference_db(vocals, mixture / 2) < -80


def test_a_tenth_of_the_mixture_as_guide_worked_by_hand():
    mixture = _noise(4, 2)
    vocals = mask_mixture(mixture / 10, mixture, CONFIG, band_share=1.0)
    # 0.1^2 / (0.1^2 + 0.9^2) = 1 / 82
    assert difference_db(vocals, mixture / 82) < -80


@given(seed=st.integers(0, 2**32 - 1), gain=st.floats(-3, 3))
def test_no_guide_makes_more_than_there_is(seed, gain):
    mixture, guide = _noise(seed, 2), gain * _noise(seed + 1, 2)
    vocals = mask_mixture(guide, mixture, CONFIG, band_share=0.4)
    assert torch.isfinite(vocals).all()
    # A mask within 0..1 in every bin; the STFT is a tight frame up to its window.
    assert vocals.norm() <= 1.01 * mixture.norm()


def test_tones_apart_are_told_apart():
    voice, rest = _tone(500), _tone(1_500)
    vocals = mask_mixture(voice, voice + rest, CONFIG, band_share=0.5)
    inside = slice(512, -512)
    assert difference_db(vocals[:, inside], voice[:, inside]) < -30


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_above_the_band_the_mask_goes_on_as_it_was_below(share):
    """A band-limited guide carries ``share`` of a tone; the overtone above the band follows."""
    tone, overtone = _tone(1_800), _tone(3_500)
    vocals = mask_mixture(share * tone, tone + overtone, CONFIG, band_share=0.5)
    mask = share**2 / (share**2 + (1 - share) ** 2)
    inside = slice(512, -512)
    wanted = mask * (tone + overtone)[:, inside]
    assert (vocals[:, inside] - wanted).norm() < 0.02 * (tone + overtone)[:, inside].norm()


def test_what_lies_low_in_the_band_does_not_open_it_above():
    # 300 Hz is below 0.6 of the band of 2000 Hz: a voice there says nothing about a cymbal.
    voice, hum, cymbal = _tone(300), _tone(1_700), _tone(3_500)
    vocals = mask_mixture(voice, voice + hum + cymbal, CONFIG, band_share=0.5)
    inside = slice(512, -512)
    assert difference_db(vocals[:, inside], voice[:, inside]) < -30


@pytest.mark.parametrize("band_share", [0.0, 0.001, 0.01, 0.03, 0.05])
def test_a_band_of_a_bin_or_less_still_gives_numbers(band_share):
    config = RefinementConfig(window_samples=64)
    mixture = _noise(5, 2)
    vocals = mask_mixture(mixture / 2, mixture, config, band_share)
    assert torch.isfinite(vocals).all()


def test_samples_beyond_a_window_do_not_matter():
    """The plan's rim rests on this: results agree from one window after either end."""
    mixture, guide = _noise(6, 2, 4_096), _noise(7, 2, 4_096)
    whole = mask_mixture(guide, mixture, CONFIG, band_share=0.5)
    part = mask_mixture(guide[:, 1_024:3_072], mixture[:, 1_024:3_072], CONFIG, band_share=0.5)
    torch.testing.assert_close(part[:, 256:-256], whole[:, 1_280:2_816], rtol=0, atol=1e-6)


def test_channels_left_of_the_stereo_image_are_masked_alike():
    mixture = _noise(8, 6)
    vocals = mask_mixture(downmix(mixture) / 2, mixture, CONFIG, band_share=1.0)
    # The low-frequency channel is no part of the downmix, and has the mask of the others.
    assert difference_db(vocals, mixture / 2) < -60
