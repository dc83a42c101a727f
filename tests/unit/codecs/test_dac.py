import pytest
from small_codecs import shared_codec

from latentsep.codecs.dac import DAC_44KHZ, DacCodec, dac_reach_frames


def test_hops_and_channels_follow_from_the_architecture():
    codec = shared_codec("dac_44khz")
    assert codec.sample_rate_hz == 44_100
    assert codec.hop_samples == 2 * 8
    # Encoder widths double with each ratio, 4 -> 16; two passes.
    assert codec.latent_channels == 2 * 16


def test_reach_of_the_published_ratios_worked_by_hand():
    # 3 frames of the first convolution, 3 samples of the last; steps up by 8, 8, 4, 2 from steps of
    # 512 samples: one and a half steps each, then 39 of the shorter ones.
    samples = 3 * 512 + 3
    samples += 768 + 39 * 64
    samples += 96 + 39 * 8
    samples += 12 + 39 * 2
    samples += 3 + 39
    assert dac_reach_frames(DAC_44KHZ["downsampling_ratios"]) == -(-samples // 512) == 11


def test_no_pass_leaves_full_scale():
    codec = shared_codec("dac_44khz")
    codec_input = codec.decoder(1_000 * codec.encoder.conv2.bias[None, :, None].expand(1, -1, 9))
    assert codec_input.abs().max() <= 1


@pytest.mark.parametrize("ratios", [[3, 4], [2, 5]])
def test_odd_ratios_are_refused(ratios):
    with pytest.raises(ValueError, match=rf"must be even.*got \[{ratios[0]}, {ratios[1]}\]"):
        DacCodec(architecture={"downsampling_ratios": ratios, "encoder_hidden_size": 4})


def test_a_size_it_does_not_have_is_refused_with_those_it_has():
    with pytest.raises(ValueError, match="has no num_filters; it has decoder_hidden_size"):
        DacCodec(architecture={"num_filters": 3})
