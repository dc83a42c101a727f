"""What the Codec docstring promises, for every registered codec."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentsep.codecs import CODECS, Codec

HOP_SAMPLES = 16
SMALL_OPTIONS = {
    "identity": {"hop_samples": HOP_SAMPLES},
    "mdct": {"hop_samples": HOP_SAMPLES, "mid_bins": 12, "side_bins": 5},
}


@pytest.fixture(params=sorted(CODECS))
def codec(request):
    return CODECS[request.param](**SMALL_OPTIONS[request.param])


def _noise(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


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


def test_silence_stays_silence(codec):
    silence = torch.zeros(1, codec.channels, 4 * codec.hop_samples)
    assert not codec.encode(silence).any()
    assert not codec.decode(codec.encode(silence)).any()


@pytest.mark.parametrize("name", sorted(CODECS))
@given(place=st.integers(0, 20 * HOP_SAMPLES - 1), seed=st.integers(0, 2**32 - 1))
def test_a_sample_reaches_only_frames_within_reach(name, place, seed):
    codec = CODECS[name](**SMALL_OPTIONS[name])
    waveform = _noise(seed, 1, codec.channels, 20 * codec.hop_samples)
    changed = waveform.clone()
    changed[0, :, place] += 1.0
    moved = (codec.encode(changed) != codec.encode(waveform)).any(dim=1)[0].nonzero()[:, 0]
    hop = place // codec.hop_samples
    assert len(moved)
    assert moved.min() >= hop - codec.reach_frames
    assert moved.max() <= hop + codec.reach_frames


@pytest.mark.parametrize("name", sorted(CODECS))
@given(frame=st.integers(0, 19), seed=st.integers(0, 2**32 - 1))
def test_a_frame_reaches_only_samples_within_reach(name, frame, seed):
    codec = CODECS[name](**SMALL_OPTIONS[name])
    latents = _noise(seed, 1, codec.latent_channels, 20 + codec.extra_frames)
    changed = latents.clone()
    changed[0, :, frame] += 1.0
    moved = (codec.decode(changed) != codec.decode(latents)).any(dim=1)[0].nonzero()[:, 0]
    assert len(moved)
    assert moved.min() >= (frame - codec.reach_frames) * codec.hop_samples
    assert moved.max() < (frame + 1 + codec.reach_frames) * codec.hop_samples


def test_a_window_with_reach_around_it_decodes_to_what_the_track_does(codec):
    waveform = _noise(2, 1, codec.channels, 20 * codec.hop_samples)
    whole = codec.decode(codec.encode(waveform))
    reach = codec.reach_frames * codec.hop_samples
    first, last = 5 * codec.hop_samples, 9 * codec.hop_samples
    window = codec.decode(codec.encode(waveform[:, :, first - reach : last + reach]))
    inside = window[:, :, reach : window.shape[2] - reach]
    torch.testing.assert_close(inside, whole[:, :, first:last], rtol=0, atol=1e-6)


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


def test_a_codec_has_no_parameters_to_train(codec):
    assert not list(codec.parameters())
