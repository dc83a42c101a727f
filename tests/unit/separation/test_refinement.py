import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import difference_db

from latentsep.models.config import RefinementConfig
from latentsep.separation.downmix import downmix
from latentsep.separation.refinement import blend_mixture, confidence, mask_mixture, refine

CONFIG = RefinementConfig(window_samples=256)
INSIDE = slice(256, -256)
"""A window from either end."""
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


def _error(value, samples=4_000):
    return torch.full((samples,), float(value))


def _as_generated(guide, channels):
    return guide if channels == 2 else guide.mean(dim=0, keepdim=True)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_guide_without_error_is_taken_as_it_is(channels):
    mixture, guide = _noise(0, channels), _noise(1, 2)
    vocals = blend_mixture(guide, mixture, CONFIG, 1.0, _error(0))
    assert vocals.shape == mixture.shape
    wanted = _as_generated(guide, channels)
    # Both are sure where the mask closes or opens wholly, so that a few bins go to either.
    assert difference_db(vocals[:, INSIDE], wanted[:, INSIDE]) < -60


@pytest.mark.parametrize("channels", [1, 2])
def test_a_guide_of_nothing_but_error_leaves_the_mask(channels):
    mixture, guide = _noise(0, channels), _noise(1, 2)
    vocals = blend_mixture(guide, mixture, CONFIG, 1.0, _error(1e9))
    assert difference_db(vocals, mask_mixture(guide, mixture, CONFIG, 1.0)) < -60


@pytest.mark.parametrize("error", [None, 0.0, 1.0])
def test_above_the_band_there_is_only_the_mask(error):
    mixture, guide = _noise(0, 2), _noise(1, 2)
    above = _tone(3_500)[:, :4_000]
    error = None if error is None else _error(error)
    config = RefinementConfig(window_samples=256, mode="blend")
    masked = mask_mixture(above + guide, mixture, config, band_share=0.5)
    blended = blend_mixture(above + guide, mixture, config, 0.5, error)
    difference = torch.fft.rfft((blended - masked)[:, INSIDE] * torch.hann_window(3_488))
    high = round(difference.shape[1] * 0.6)
    assert difference[:, high:].abs().max() < 1e-3 * difference[:, :high].abs().max()


def test_the_confidence_is_the_share_of_the_masks_error_worked_by_hand():
    # |v|^2 = 1 and |m - v|^2 = 1: the mask errs by 1/2, the guide by 1/4 and then by 1.
    generated, mixture = torch.ones(1, 1, 2) + 0j, 2 * torch.ones(1, 1, 2) + 0j
    trust = confidence(generated, generated, mixture, torch.tensor([0.25, 1.0]))
    assert trust.flatten().tolist() == pytest.approx([2 / 3, 1 / 3])


def test_a_single_draw_is_trusted_where_it_agrees_with_the_mask():
    generated, mixture = torch.ones(1, 1, 3) + 0j, 2 * torch.ones(1, 1, 3) + 0j
    # The mask errs by 1/2. Of differences of 0, 1/2 and 2 that leaves 0, 0 and 3/2 to the guide.
    masked = generated + torch.tensor([0.0, 0.5**0.5, 2**0.5])
    trust = confidence(generated, masked, mixture)
    assert trust.flatten().tolist() == pytest.approx([1, 1, 1 / 4])


@given(seed=st.integers(0, 2**32 - 1), gain=st.floats(-3, 3), error=st.none() | st.floats(0, 9))
def test_a_confidence_lies_between_nothing_and_all(seed, gain, error):
    generator = torch.Generator().manual_seed(seed)
    generated, masked, mixture = torch.randn(
        (3, 2, 5, 7), generator=generator, dtype=torch.complex64
    )
    errors = None if error is None else torch.full((7,), error)
    trust = confidence(gain * generated, masked, mixture, errors)
    assert trust.min() >= 0
    assert trust.max() <= 1


@pytest.mark.parametrize("error", [None, 0.5])
@pytest.mark.parametrize("channels", [1, 2])
def test_silence_is_blended_to_silence(channels, error):
    error = None if error is None else _error(error)
    silence = torch.zeros(channels, 4_000)
    assert not blend_mixture(torch.zeros(2, 4_000), silence, CONFIG, 0.5, error).any()


def test_what_the_mixture_cancels_is_brought_out_by_a_sure_guide():
    """A voice and its exact opposite: a mask has nothing to work on."""
    voice = _tone(500)[:, :4_000]
    mixture = 1e-3 * _noise(9, 2)
    masked = mask_mixture(voice, mixture, CONFIG, 1.0)
    blended = blend_mixture(voice, mixture, CONFIG, 1.0, _error(0.01))
    assert difference_db(masked[:, INSIDE], voice[:, INSIDE]) > -1
    assert difference_db(blended[:, INSIDE], voice[:, INSIDE]) < -25


@pytest.mark.parametrize("with_error", [False, True])
def test_samples_beyond_a_window_do_not_matter_to_a_blend(with_error):
    mixture, guide = _noise(6, 2, 4_096), _noise(7, 2, 4_096)
    error = torch.linspace(0, 2, 4_096) if with_error else None
    part_of = slice(1_024, 3_072)
    whole = blend_mixture(guide, mixture, CONFIG, 0.5, error)
    part = blend_mixture(
        guide[:, part_of], mixture[:, part_of], CONFIG, 0.5, error[part_of] if with_error else None
    )
    torch.testing.assert_close(part[:, INSIDE], whole[:, 1_280:2_816], rtol=0, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2])
def test_off_is_the_guide_in_as_many_channels(channels):
    guide = _noise(1, 2)
    vocals = refine(guide, _noise(0, channels), CONFIG.model_copy(update={"mode": "off"}), 1.0)
    assert torch.equal(vocals, _as_generated(guide, channels))


@pytest.mark.parametrize("mode", ["off", "mask", "blend"])
def test_more_than_two_channels_are_masked_in_every_mode(mode):
    mixture, guide = _noise(0, 6), _noise(1, 2)
    vocals = refine(guide, mixture, CONFIG.model_copy(update={"mode": mode}), 1.0, _error(0))
    assert torch.equal(vocals, mask_mixture(guide, mixture, CONFIG, 1.0))
