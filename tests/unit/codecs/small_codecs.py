"""Every registered codec, small, with hops of 16 samples and random weights."""

from functools import cache

from tiny_models import randomise

from latentsep.codecs import CODECS

HOP_SAMPLES = 16
ENCODEC_SIZES = {"hidden_size": 8, "num_filters": 2, "upsampling_ratios": [4, 2, 2]}
OPTIONS = {
    "dac_44khz": {
        "architecture": {
            "encoder_hidden_size": 4,
            "downsampling_ratios": [2, 8],
            "decoder_hidden_size": 8,
        }
    },
    "encodec_24khz": {
        "architecture": {"sampling_rate": 8_000, **ENCODEC_SIZES},
        "reach_frames": 40,
    },
    # Eight frames a second: means slide over four on either side.
    "encodec_48khz": {"architecture": {"sampling_rate": 128, **ENCODEC_SIZES}, "reach_frames": 30},
    "identity": {"hop_samples": HOP_SAMPLES},
    "mdct": {"hop_samples": HOP_SAMPLES, "mid_bins": 12, "side_bins": 5},
    "stft_ae": {
        "hop_samples": HOP_SAMPLES,
        "mid_bins": 12,
        "side_bins": 5,
        "planes": [3, 2, 1],
        "width": 8,
        "blocks": 1,
        "level_radius_frames": 2,
    },
}


def small_codec(name, seed=0, **options):
    """A codec of a few hundred weights; ``options`` replace those of ``OPTIONS``."""
    codec = CODECS[name](**{**OPTIONS[name], **options})
    randomise(codec, seed)
    return codec.eval().requires_grad_(False)


@cache
def shared_codec(name):
    """The same codec for every test that only looks at it."""
    return small_codec(name)
