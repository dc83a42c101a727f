import pytest
import torch
from tiny_models import randomise

from latentsep.codecs.mdct import MdctCodec
from latentsep.codecs.stft_ae import StftAeCodec

SIZES = {"sample_rate_hz": 8_000, "hop_samples": 16, "mid_bins": 12, "side_bins": 5}
BINS = 17
PASSING = [3, 3, 3, 3, 2, 1, 1, 1]
"""Planes of a row each, of three bands of mid and two of side: every bin there is."""


def _codec(seed=0, **options):
    codec = StftAeCodec(
        **SIZES,
        **{"planes": [3, 2, 1], "width": 8, "blocks": 1, "level_radius_frames": 2, **options},
    )
    randomise(codec, seed)
    return codec.eval().requires_grad_(False)


def _transparent():
    """Linear paths that pass everything, and nothing beside them."""
    codec = StftAeCodec(**SIZES, planes=PASSING, width=8, blocks=1)
    with torch.no_grad():
        for stack in (codec.encoder, codec.decoder):
            stack.linear.copy_(torch.eye(8))
    return codec.eval().requires_grad_(False)


def _noise(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def assert_same_bins(latents, bins):
    """The same coefficients in another order, loudest first in each frame."""
    ordered = [x.sort(dim=1, descending=True).values for x in (latents, bins)]
    torch.testing.assert_close(*ordered)


def test_the_first_half_of_the_spectra_is_the_mdct():
    waveform = _noise(0, 2, 2, 10 * 16)
    torch.testing.assert_close(
        _codec().spectra(waveform)[:, :BINS], MdctCodec(**SIZES).encode(waveform)
    )


def test_both_halves_together_have_a_magnitude_that_hardly_depends_on_the_phase():
    """A steady tone: the MDCT swings with the phase, the magnitude of both halves does not."""
    time_s = torch.arange(40 * 16) / 8_000
    codec, magnitudes, cosines = _codec(), [], []
    for phase in (0.0, 0.7, 1.4):
        tone = torch.sin(2 * torch.pi * 1_375 * time_s + phase).expand(
            1, 2, -1
        )  # between bins 5, 6
        spectra = codec.spectra(tone)[0, :, 10:30]
        magnitudes.append((spectra[5].square() + spectra[BINS + 5].square()).sqrt())
        cosines.append(spectra[5])
    magnitude, cosine = torch.stack(magnitudes), torch.stack(cosines)
    assert magnitude.std() / magnitude.mean() < 0.05
    assert cosine.std() / magnitude.mean() > 0.5


def test_linear_paths_that_pass_everything_make_an_mdct_codec():
    waveform = _noise(1, 2, 2, 12 * 16)
    codec, mdct = _transparent(), MdctCodec(**SIZES)
    assert_same_bins(codec.encode(waveform), mdct.encode(waveform))
    round_trip = codec.decode(codec.encode(waveform))
    torch.testing.assert_close(round_trip, mdct.decode(mdct.encode(waveform)), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("gain", [1e-3, 0.1, 8.0])
def test_a_louder_waveform_has_louder_latents_and_no_others(gain):
    codec, waveform = _codec(), _noise(2, 1, 2, 20 * 16)
    latents = codec.encode(waveform)
    torch.testing.assert_close(
        codec.encode(gain * waveform), gain * latents, rtol=1e-3, atol=1e-5 * gain
    )
    decoded = codec.decode(latents)
    torch.testing.assert_close(
        codec.decode(gain * latents), gain * decoded, rtol=1e-3, atol=1e-5 * gain
    )


def test_antiphase_stereo_is_as_loud_as_any_other():
    codec, left = _codec(), _noise(3, 1, 1, 20 * 16)
    latents = codec.encode(torch.cat([left, -left], dim=1))
    assert latents.isfinite().all()
    assert 0.1 < codec.decode(latents).std() / left.std() < 10


def test_the_scale_of_bins_is_undone_on_the_way_out():
    codec, waveform = _transparent(), _noise(4, 1, 2, 12 * 16)
    before = codec.decode(codec.encode(waveform))
    codec.bin_scale.copy_(torch.linspace(0.2, 5, BINS)[:, None])
    torch.testing.assert_close(codec.decode(codec.encode(waveform)), before, atol=1e-5, rtol=1e-4)


def test_the_bands_are_where_channels_sound():
    codec = _transparent()
    codec.measure_bands()
    # 8 kHz, 16 bins: 250 Hz each, the first centred on 125 Hz; side follows mid.
    mid = [125.0 + 250 * (4 * band + row) for row in range(4) for band in range(3)]
    side = [125.0 + 250 * k for k in (0, 4, 1, 2, 3)]
    assert codec.band_centres_hz.tolist() == pytest.approx(mid + side, rel=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {"side_bins": 13},
        {"mid_bins": 17},
        {"planes": [4]},
        {"planes": [2, 3]},
        {"planes": []},
        {"planes": [1] * 9},
    ],
)
def test_impossible_sizes_are_refused(options):
    with pytest.raises(ValueError, match="got"):
        StftAeCodec(**{**SIZES, **options})


def test_linear_paths_start_at_each_bands_principal_components():
    """Of four bins of mid and four of side, three directions of a band have all the power."""
    codec = StftAeCodec(**SIZES, planes=[1, 1, 1], width=8, blocks=1)
    axes = torch.linalg.qr(_noise(5, 8, 8))[0][:3]
    weights = _noise(6, 4, 3, 50) * torch.tensor([9.0, 3.0, 1.0])[:, None]
    spectra = torch.zeros(4, BINS, 50)
    known = torch.einsum("df,ndt->nft", axes, weights)
    spectra[:, :4], spectra[:, 12:16] = known[:, :4], known[:, 4:]
    codec.start_linear(spectra)
    found = codec.encoder.linear[0]
    torch.testing.assert_close(found @ found.T, torch.eye(3), atol=1e-5, rtol=0)
    assert ((found @ axes.T).abs().diagonal() > 0.97).all()
    torch.testing.assert_close(codec.decoder.linear[0], found.T)
