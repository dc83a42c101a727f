import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentsep.codecs.mdct import MdctCodec, lapped_basis

SEEDS = st.integers(0, 2**32 - 1)


def _full(hop_samples=32):
    return MdctCodec(8_000, hop_samples, mid_bins=hop_samples, side_bins=hop_samples)


def _noise(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _round_trip(codec, waveform):
    return codec.decode(codec.encode(waveform))


@given(hop=st.sampled_from([2, 8, 32, 64]), hops=st.integers(1, 12), seed=SEEDS)
def test_with_all_bins_the_waveform_comes_back(hop, hops, seed):
    waveform = _noise(seed, 1, 2, hop * hops)
    torch.testing.assert_close(_round_trip(_full(hop), waveform), waveform, rtol=0, atol=1e-5)


@given(seed=SEEDS, gain=st.floats(-4, 4, width=32))
def test_latents_add_up_as_waveforms_do(seed, gain):
    codec = MdctCodec(8_000, 32, 20, 10)
    vocals, rest = _noise(seed, 2, 1, 2, 320)
    together = codec.encode(vocals + gain * rest)
    apart = codec.encode(vocals) + gain * codec.encode(rest)
    torch.testing.assert_close(together, apart, rtol=0, atol=2e-5)


@given(seed=SEEDS)
def test_energy_is_kept_by_the_orthonormal_transform(seed):
    codec = _full()
    waveform = _noise(seed, 1, 2, 320)
    # Frames 0 and 10 would alias what lies outside the track; silence there keeps all the energy.
    waveform[:, :, :32] = 0
    waveform[:, :, -32:] = 0
    energy = codec.encode(waveform).square().sum()
    torch.testing.assert_close(energy, waveform.square().sum(), rtol=1e-5, atol=0)


def test_what_the_round_trip_keeps_it_keeps_again():
    codec = MdctCodec(8_000, 32, 20, 10)
    once = _round_trip(codec, _noise(0, 1, 2, 640))
    # A projection, but for the two ends, where half a frame is missing.
    again = _round_trip(codec, once)
    torch.testing.assert_close(again[:, :, 64:-64], once[:, :, 64:-64], rtol=0, atol=1e-5)


def test_basis_of_hop_2_worked_by_hand():
    # sqrt(2 / 2) * sin(pi / 4 * (n + 1/2)) * cos(pi / 2 * (n + 1/2 + 1) * 1/2), n = 0..3
    by_hand = [
        math.sin(math.pi / 8) * math.cos(3 * math.pi / 8),
        math.sin(3 * math.pi / 8) * math.cos(5 * math.pi / 8),
        math.sin(5 * math.pi / 8) * math.cos(7 * math.pi / 8),
        math.sin(7 * math.pi / 8) * math.cos(9 * math.pi / 8),
    ]
    assert by_hand == pytest.approx([0.146447, -0.353553, -0.853553, -0.353553], abs=1e-6)
    assert lapped_basis(2, 1, torch.cos)[:, 0].tolist() == pytest.approx(by_hand, abs=1e-7)


def test_equal_channels_have_no_side():
    codec = MdctCodec(8_000, 32, 20, 10)
    mono = _noise(0, 1, 1, 320).expand(-1, 2, -1)
    latents = codec.encode(mono)
    assert latents[:, :20].abs().max() > 1
    assert latents[:, 20:].abs().max() < 1e-6


def _sine(frequency_hz, signs=(1.0, 1.0)):
    time_s = torch.arange(6_400) / 8_000
    sine = torch.sin(2 * math.pi * frequency_hz * time_s)
    return torch.stack([sign * sine for sign in signs])[None]


def _kept_share(codec, waveform):
    """Share of the power that survives, away from the abrupt ends."""
    kept = _round_trip(codec, waveform)[:, :, 640:-640]
    return float(kept.square().sum() / waveform[:, :, 640:-640].square().sum())


def test_a_sine_above_the_band_vanishes_and_one_below_stays():
    codec = MdctCodec(8_000, 64, mid_bins=32, side_bins=16)
    assert codec.bandwidth_hz == 2_000
    assert _kept_share(codec, _sine(1_500)) > 0.9999
    assert _kept_share(codec, _sine(2_500)) < 1e-4


def test_the_side_has_its_own_narrower_band():
    codec = MdctCodec(8_000, 64, mid_bins=32, side_bins=16)
    assert _kept_share(codec, _sine(1_500, (1, -1))) < 1e-4
    assert _kept_share(codec, _sine(500, (1, -1))) > 0.9999


@pytest.mark.parametrize(("mid", "side"), [(65, 16), (16, 17), (16, 0), (0, 0)])
def test_impossible_bands_are_refused_with_their_numbers(mid, side):
    with pytest.raises(ValueError, match=f"side_bins={side}, mid_bins={mid}"):
        MdctCodec(8_000, 64, mid, side)


def test_the_basis_is_not_stored_with_the_weights():
    assert not MdctCodec(8_000, 64, 32, 16).state_dict()


@pytest.mark.parametrize("tone_hz", [260.0, 1_000.0, 1_700.0])
@pytest.mark.parametrize("side", [False, True])
def test_a_tone_is_strongest_in_the_channel_whose_band_it_lies_in(tone_hz, side):
    codec = MdctCodec(sample_rate_hz=8_000, hop_samples=64, mid_bins=48, side_bins=32)
    tone = torch.sin(2 * math.pi * tone_hz / 8_000 * torch.arange(64 * 40))
    latents = codec.encode(torch.stack([tone, -tone if side else tone])[None])[0]
    strongest = int(latents.square().sum(dim=1).argmax())
    assert (strongest >= 48) == side
    assert codec.band_centres_hz[strongest].item() == pytest.approx(tone_hz, abs=62.5)
