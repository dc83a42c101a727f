"""What the Codec docstring promises, for every registered codec."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_codecs import HOP_SAMPLES, shared_codec
from tiny_models import difference_db

from latentsep.codecs import CODECS, Codec
from latentsep.codecs.base import SPILL_LIMIT_DB
from latentsep.codecs.reach import decoder_spill_db, encoder_spill_db

NAMES = sorted(CODECS)
EXACT = [name for name in NAMES if shared_codec(name).exact_reach]
HOMOGENEOUS = [name for name in NAMES if shared_codec(name).homogeneous]
ROUNDING_DB = -100


@pytest.fixture(params=NAMES)
def codec(request):
    return shared_codec(request.param)


def _noise(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _hops(codec, seed, hops):
    return _noise(seed, 1, codec.channels, hops * codec.hop_samples)


def _round_trip(codec, waveform):
    return codec.decode(codec.encode(waveform))


def _level(waveform):
    return float(waveform.square().mean().sqrt())


def test_every_codec_keeps_the_protocol(codec):
    assert isinstance(codec, Codec)


@pytest.mark.parametrize("hops", [1, 2, 7])
def test_whole_hops_give_that_many_frames_and_come_back_as_long(codec, hops):
    waveform = _noise(0, 3, codec.channels, hops * codec.hop_samples)
    latents = codec.encode(waveform)
    assert latents.shape == (3, codec.latent_channels, hops + codec.extra_frames)
    assert latents.dtype == torch.float32
    assert codec.decode(latents).shape == waveform.shape
    assert codec.decode(latents).dtype == torch.float32


def test_an_item_alone_gives_the_bits_it_gives_in_company(codec):
    waveform = _noise(1, 5, codec.channels, 9 * codec.hop_samples)
    latents = codec.encode(waveform)
    for item in range(5):
        alone = codec.encode(waveform[item : item + 1])
        torch.testing.assert_close(alone[0], latents[item], rtol=0, atol=0)
        decoded = codec.decode(latents[item : item + 1])
        torch.testing.assert_close(decoded[0], codec.decode(latents)[item], rtol=0, atol=0)


@pytest.mark.parametrize("name", HOMOGENEOUS)
def test_silence_stays_silence(name):
    codec = shared_codec(name)
    silence = torch.zeros(1, codec.channels, 4 * codec.hop_samples)
    assert not codec.encode(silence).any()
    assert not _round_trip(codec, silence).any()


@pytest.mark.parametrize("gain", [0.01, 20.0])
@pytest.mark.parametrize("name", HOMOGENEOUS)
def test_latents_of_a_homogeneous_codec_are_as_loud_as_the_waveform(name, gain):
    codec = shared_codec(name)
    waveform = _hops(codec, 11, 20)
    assert difference_db(codec.encode(gain * waveform), gain * codec.encode(waveform)) < -60


def test_silence_is_finite_and_no_louder_than_what_noise_decodes_to(codec):
    silence = _round_trip(codec, 0 * _hops(codec, 0, 40))
    assert silence.isfinite().all()
    assert _level(silence) < 1.1 * _level(_round_trip(codec, _hops(codec, 0, 40)))


@pytest.mark.parametrize("level", [1e-20, 1e-6, 1.0])
def test_opposite_channels_neither_explode_nor_vanish_into_nan(codec, level):
    left = level * _hops(codec, 0, 40)[:, :1]
    decoded = _round_trip(codec, torch.cat([left, -left], dim=1))
    assert decoded.isfinite().all()
    assert _level(decoded) < 2 * _level(_round_trip(codec, _hops(codec, 0, 40)))


@pytest.mark.parametrize("name", EXACT)
@given(place=st.integers(0, 40 * HOP_SAMPLES - 1), seed=st.integers(0, 2**32 - 1))
def test_a_sample_reaches_only_frames_within_reach(name, place, seed):
    codec = shared_codec(name)
    waveform = _hops(codec, seed, 40)
    changed = waveform.clone()
    changed[0, :, place] += 1.0
    moved = (codec.encode(changed) != codec.encode(waveform)).any(dim=1)[0].nonzero()[:, 0]
    hop = place // codec.hop_samples
    assert len(moved)
    assert moved.min() >= hop - codec.reach_frames
    assert moved.max() <= hop + codec.reach_frames


@pytest.mark.parametrize("name", EXACT)
@given(frame=st.integers(0, 39), seed=st.integers(0, 2**32 - 1))
def test_a_frame_reaches_only_samples_within_reach(name, frame, seed):
    codec = shared_codec(name)
    latents = _noise(seed, 1, codec.latent_channels, 40 + codec.extra_frames)
    changed = latents.clone()
    changed[0, :, frame] += 1.0
    moved = (codec.decode(changed) != codec.decode(latents)).any(dim=1)[0].nonzero()[:, 0]
    assert len(moved)
    assert moved.min() >= (frame - codec.reach_frames) * codec.hop_samples
    assert moved.max() < (frame + 1 + codec.reach_frames) * codec.hop_samples


def test_what_a_change_moves_lies_within_reach_exactly_or_but_for_the_limit(codec):
    generator = torch.Generator().manual_seed(0)
    waveform = _hops(codec, 1, 2 * codec.reach_frames + 20)
    limit_db = -torch.inf if codec.exact_reach else SPILL_LIMIT_DB
    encoder = encoder_spill_db(codec, waveform, generator)
    decoder = decoder_spill_db(codec, codec.encode(waveform), generator)
    assert encoder[codec.reach_frames] <= limit_db
    assert decoder[codec.reach_frames] <= limit_db


def test_a_window_with_reach_around_it_both_ways_decodes_to_what_the_track_does(codec):
    context = 2 * codec.reach_frames
    waveform = _hops(codec, 2, 2 * context + 20)
    hop = codec.hop_samples
    first, last = (context + 8) * hop, (context + 12) * hop
    window = _round_trip(codec, waveform[:, :, first - context * hop : last + context * hop])
    inside = window[:, :, context * hop : window.shape[2] - context * hop]
    limit_db = ROUNDING_DB if codec.exact_reach else SPILL_LIMIT_DB
    assert difference_db(inside, _round_trip(codec, waveform)[:, :, first:last]) < limit_db


@pytest.mark.parametrize(("channels", "samples"), [(1, 32), (3, 32), (2, 33), (2, 0)])
def test_a_waveform_that_does_not_fit_is_refused_with_its_shape(codec, channels, samples):
    with pytest.raises(ValueError, match=rf"got \[1, {channels}, {samples}\]"):
        codec.encode(torch.zeros(1, channels, samples))


def test_latents_of_another_codec_are_refused_with_their_shape(codec):
    foreign = codec.latent_channels + 1
    with pytest.raises(ValueError, match=rf"got \[1, {foreign}, 4\]"):
        codec.decode(torch.zeros(1, foreign, 4))
    with pytest.raises(ValueError, match=f"more than {codec.extra_frames} frames"):
        codec.decode(torch.zeros(1, codec.latent_channels, codec.extra_frames))


@pytest.mark.parametrize("name", ["identity", "mdct"])
def test_a_codec_that_is_not_learned_has_no_parameters(name):
    assert not list(shared_codec(name).parameters())


def test_every_channel_has_a_place_in_the_spectrum(codec):
    assert codec.band_centres_hz.shape == (codec.latent_channels,)
    inside = (codec.band_centres_hz > 0) & (codec.band_centres_hz <= codec.sample_rate_hz / 2)
    assert (inside | codec.band_centres_hz.isinf()).all()
