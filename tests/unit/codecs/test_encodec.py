import math

import pytest
import torch
from small_codecs import OPTIONS, small_codec
from tiny_models import difference_db
from transparent import make_transparent

from latentsep.codecs.encodec import LEVEL_KNEE, EncodecMonoCodec, EncodecStereoCodec


def _noise(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _round_trip(codec, waveform):
    return codec.decode(codec.encode(waveform))


def _level(waveform):
    return float(waveform.square().mean().sqrt())


@pytest.mark.parametrize(
    ("codec_class", "rate_hz", "latent_channels", "parameters"),
    [(EncodecMonoCodec, 24_000, 256, 14_846_817), (EncodecStereoCodec, 48_000, 129, 14_856_294)],
)
def test_without_options_the_sizes_are_the_published_ones(
    codec_class, rate_hz, latent_channels, parameters
):
    codec = codec_class()
    assert (codec.sample_rate_hz, codec.hop_samples) == (rate_hz, 320)
    assert codec.bandwidth_hz == rate_hz / 2
    assert codec.latent_channels == latent_channels
    assert sum(parameter.numel() for parameter in codec.parameters()) == parameters


@pytest.mark.parametrize("name", ["encodec_24khz", "encodec_48khz"])
def test_neither_quantiser_nor_normalised_weights_are_stored(name):
    names = list(small_codec(name).state_dict())
    assert names
    assert not [n for n in names if "quantizer" in n or "parametrizations" in n]


def test_24khz_is_causal_both_ways():
    codec = small_codec("encodec_24khz")
    waveform = 0.3 * _noise(0, 1, 2, 20 * 16)
    later = waveform.clone()
    later[:, :, 10 * 16 :] = 0
    latents = codec.encode(waveform)
    torch.testing.assert_close(codec.encode(later)[:, :, :10], latents[:, :, :10], rtol=0, atol=0)
    cut = codec.decode(latents[:, :, :10])
    assert difference_db(cut, codec.decode(latents)[:, :, : 10 * 16]) < -100


@pytest.mark.parametrize("gain", [1e-4, 0.1, 3.0])
def test_48khz_gives_the_level_back_whatever_it_is(gain):
    codec = small_codec("encodec_48khz")
    waveform = gain * _noise(0, 1, 2, 60 * 16)
    assert _level(_round_trip(codec, waveform)) == pytest.approx(_level(waveform), rel=0.05)


def test_48khz_keeps_the_level_in_its_last_channel_and_nowhere_else():
    codec = small_codec("encodec_48khz")
    waveform = _noise(0, 1, 2, 60 * 16)
    loud, quiet = codec.encode(waveform), codec.encode(waveform / 100)
    torch.testing.assert_close(quiet[:, :-1], loud[:, :-1], rtol=1e-3, atol=1e-3)
    assert (loud[:, -1] - quiet[:, -1]).mean() == pytest.approx(math.log(100), rel=0.01)


def test_48khz_the_level_of_a_steady_sound_worked_by_hand():
    codec = small_codec("encodec_48khz")
    steady = torch.full((1, 2, 60 * 16), 0.25)
    expected = math.log1p(0.25 / LEVEL_KNEE)
    torch.testing.assert_close(codec.encode(steady)[0, -1], torch.full((60,), expected))


def test_48khz_decodes_silence_to_silence():
    codec = small_codec("encodec_48khz")
    latents = codec.encode(torch.zeros(1, 2, 60 * 16))
    assert not latents[:, -1].any()
    assert not codec.decode(latents).any()
    latents[:, -1] = -5.0
    assert not codec.decode(latents).any()


@pytest.mark.parametrize("level", [1e-20, 1e-3, 1.0])
def test_48khz_opposite_channels_keep_their_level(level):
    codec = small_codec("encodec_48khz")
    left = level * _noise(0, 1, 1, 60 * 16)
    opposite = torch.cat([left, -left], dim=1)
    assert _level(_round_trip(codec, opposite)) == pytest.approx(
        _level(opposite), rel=0.05, abs=1e-9
    )


def test_48khz_networks_that_lose_nothing_give_the_waveform_back_through_any_change_of_level():
    codec = make_transparent(small_codec("encodec_48khz"), channels=2)
    codec.latent_channels = codec.hidden_channels + 1
    waveform = _noise(0, 1, 2, 60 * 16)
    waveform[:, :, 20 * 16 : 40 * 16] *= 1e-3
    assert difference_db(_round_trip(codec, waveform), waveform) < -100


def test_48khz_a_quiet_passage_keeps_its_latents_beside_a_loud_one():
    codec = small_codec("encodec_48khz")
    waveform = _noise(0, 1, 2, 120 * 16)
    waveform[:, :, : 60 * 16] *= 0.03
    beside, alone = codec.encode(waveform), codec.encode(waveform[:, :, : 60 * 16])
    within = slice(0, 60 - codec.reach_frames)
    assert difference_db(beside[:, :, within], alone[:, :, within]) < -60


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"architecture": {"colour": 1}}, "architecture has no colour; it has compress"),
        ({"architecture": {"num_filters": 0}}, "got {'num_filters': 0}"),
        ({"architecture": {"upsampling_ratios": [4, 0]}}, r"got {'upsampling_ratios': \[4, 0\]}"),
        ({"architecture": {"upsampling_ratios": 16}}, "got {'upsampling_ratios': 16}"),
        ({"architecture": {"upsampling_ratios": []}}, "got {'upsampling_ratios': "),
        ({"architecture": {"hidden_size": "many"}}, "got {'hidden_size': 'many'}"),
        ({"reach_frames": 0}, "got {'reach_frames': 0}"),
    ],
)
@pytest.mark.parametrize("codec_class", [EncodecMonoCodec, EncodecStereoCodec])
def test_impossible_options_are_refused_by_name_and_value(codec_class, options, part):
    with pytest.raises(ValueError, match=part):
        codec_class(**options)


def test_an_architecture_changes_what_it_names_and_nothing_else():
    small = OPTIONS["encodec_24khz"]["architecture"]
    codec = small_codec("encodec_24khz")
    assert {name: codec.architecture[name] for name in small} == small
    assert codec.architecture["num_lstm_layers"] == 2
