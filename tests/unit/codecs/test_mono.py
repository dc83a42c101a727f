import pytest
import torch
from small_codecs import small_codec
from transparent import make_transparent

MONO = ["dac_44khz", "encodec_24khz"]


@pytest.fixture(params=MONO)
def name(request):
    return request.param


def _noise(seed, *shape):
    return 0.3 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _passes(codec, waveform):
    return codec.encode(waveform).chunk(2, dim=1)


def _round_trip(codec, waveform):
    return codec.decode(codec.encode(waveform))


def test_latents_of_two_passes_are_stacked(name):
    codec = small_codec(name, stereo="left_right")
    waveform = _noise(0, 1, 2, 160)
    left, right = _passes(codec, waveform)
    assert torch.equal(left, codec.encoder(waveform[:, :1]))
    assert torch.equal(right, codec.encoder(waveform[:, 1:]))


def test_mid_and_side_are_half_the_sum_and_half_the_difference(name):
    codec = small_codec(name)
    left, right = _noise(0, 1, 2, 160).chunk(2, dim=1)
    mid, side = _passes(codec, torch.cat([left, right], dim=1))
    torch.testing.assert_close(mid, codec.encoder((left + right) / 2))
    torch.testing.assert_close(side, codec.encoder((left - right) / 2))


@pytest.mark.parametrize("stereo", ["mid_side", "left_right"])
def test_networks_that_lose_nothing_give_the_waveform_back(name, stereo):
    codec = make_transparent(small_codec(name, stereo=stereo), channels=1)
    codec.latent_channels = 2 * codec.hidden_channels
    waveform = _noise(0, 2, 2, 160)
    torch.testing.assert_close(_round_trip(codec, waveform), waveform)


def test_equal_channels_stay_equal_with_left_right_bit_by_bit(name):
    mono = _noise(0, 1, 1, 160).expand(-1, 2, -1)
    left, right = _round_trip(small_codec(name, stereo="left_right"), mono)[0]
    assert torch.equal(left, right)


def test_equal_channels_leave_nothing_but_silence_to_the_side(name):
    codec = small_codec(name)
    _, side = _passes(codec, _noise(0, 1, 1, 160).expand(-1, 2, -1))
    _, silent = _passes(codec, torch.zeros(1, 2, 160))
    assert torch.equal(side, silent)


def test_opposite_channels_leave_nothing_but_silence_to_the_mid(name):
    codec = small_codec(name)
    left = _noise(0, 1, 1, 160)
    mid, _ = _passes(codec, torch.cat([left, -left], dim=1))
    silent, _ = _passes(codec, torch.zeros(1, 2, 160))
    assert torch.equal(mid, silent)


def test_an_unknown_way_to_split_stereo_is_refused_with_the_known_ones(name):
    with pytest.raises(ValueError, match="mid_side, left_right, got 'mono'"):
        small_codec(name, stereo="mono")
