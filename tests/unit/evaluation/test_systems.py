from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_models import noise_waveform, tiny_model
from true_songs import RATE_HZ, true_song

from latentsep.errors import ModelError
from latentsep.evaluation.systems import (
    REFERENCES,
    Contest,
    Variant,
    codec_ceiling,
    ideal_ratio_mask,
    mixture_as_it_is,
    model_system,
)
from latentsep.models.folder import save_model
from latentsep.quality.reference import sdr_db
from latentsep.separation.options import SeparationOptions
from latentsep.separation.separator import Separator
from latentsep.training.mask_unet import MaskUNet, MaskUNetConfig, save_mask_unet


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("samples", [100, 2 * RATE_HZ])
def test_a_reference_gives_both_stems_of_any_song(name, channels, samples):
    song = true_song(samples=samples, channels=channels)
    estimate = REFERENCES[name](song)
    for stem in (estimate.vocals, estimate.accompaniment):
        assert (stem.shape, stem.dtype) == (song.mixture.shape, np.float32)
        assert np.isfinite(stem).all()
    if name != "mixture":
        np.testing.assert_allclose(
            estimate.vocals + estimate.accompaniment, song.mixture, atol=1e-6
        )


def test_the_mixture_is_given_for_either_stem():
    song = true_song()
    estimate = mixture_as_it_is(song)
    assert estimate.vocals is song.mixture
    assert estimate.accompaniment is song.mixture


def test_the_ideal_mask_is_the_share_of_the_vocals_magnitude():
    song = true_song(samples=4 * RATE_HZ)
    stems = [torch.from_numpy(x) for x in (song.vocals, song.accompaniment)]
    window = torch.hann_window(4096)
    vocals, rest = (torch.stft(x, 4096, 1024, window=window, return_complex=True) for x in stems)
    mask = vocals.abs() / (vocals.abs() + rest.abs())
    expected = torch.istft(mask * (vocals + rest), 4096, 1024, window=window, length=4 * RATE_HZ)
    found = ideal_ratio_mask(song).vocals
    assert sdr_db(expected.numpy(), found) > 60
    assert sdr_db(song.vocals, found) > 4


def test_what_stands_in_the_middle_is_taken_for_the_vocals():
    rng = np.random.default_rng(0)
    voice, side = rng.standard_normal((2, 1, 4 * RATE_HZ)).astype(np.float32)
    song = true_song(samples=4 * RATE_HZ)
    vocals, rest = np.concatenate([voice, voice]), np.concatenate([side, -side])
    song = replace(song, mixture=vocals + rest, vocals=vocals, accompaniment=rest)
    estimate = REFERENCES["centre"](song)
    assert sdr_db(vocals, estimate.vocals) > 3
    bass = np.sin(2 * np.pi * 60 * np.arange(4 * RATE_HZ) / RATE_HZ).astype(np.float32)
    song = replace(song, mixture=np.stack([bass, bass]))
    assert np.square(REFERENCES["centre"](song).vocals).mean() < 1e-3


def test_a_separator_is_a_system_with_the_song_s_own_noise():
    separator = Separator(tiny_model())
    song = true_song()
    expected = separator.separate(song.mixture, RATE_HZ, song.name)
    estimate = model_system(separator)(song)
    np.testing.assert_array_equal(estimate.vocals, expected.vocals)
    np.testing.assert_array_equal(estimate.accompaniment, expected.accompaniment)


@pytest.mark.parametrize("channels", [1, 2])
def test_the_codec_alone_gives_back_what_its_band_holds(channels):
    model = tiny_model(codec={"name": "identity", "options": {"sample_rate_hz": RATE_HZ}})
    stem = noise_waveform(1, RATE_HZ + 7)[:channels]
    song = replace(true_song(), mixture=stem, vocals=stem, accompaniment=0 * stem)
    np.testing.assert_allclose(codec_ceiling(model)(song).vocals, stem, atol=1e-6)


def test_the_codec_alone_keeps_length_and_channels_at_any_rate():
    model = tiny_model(codec={"name": "identity", "options": {"sample_rate_hz": RATE_HZ}})
    stem = noise_waveform(1, 10_007, channels=3)
    song = replace(true_song(), sample_rate_hz=11_025, vocals=stem, mixture=stem)
    assert codec_ceiling(model)(song).vocals.shape == stem.shape


def _contest(folder, *dials, **changes):
    variants = tuple(
        Variant(f"tiny {number}", str(folder), SeparationOptions(**options))
        for number, options in enumerate(dials)
    )
    return Contest(variants, **changes)


def test_a_contest_holds_references_codec_baseline_and_every_variant(tmp_path):
    save_model(tmp_path / "tiny", tiny_model(), "# tiny\n")
    network = MaskUNet(MaskUNetConfig(sample_rate_hz=RATE_HZ, window_samples=256, widths=(2, 4)))
    save_mask_unet(tmp_path / "baseline", network, "# baseline\n")
    contest = _contest(
        tmp_path / "tiny", {"steps": 1}, {"steps": 3}, baseline=tmp_path / "baseline", device="cpu"
    )
    systems = contest.systems()
    assert list(systems) == [*REFERENCES, "codec alone", "mask U-Net", "tiny 0", "tiny 1"]
    song = true_song()
    one, three, baseline = (systems[name](song) for name in ("tiny 0", "tiny 1", "mask U-Net"))
    assert not np.array_equal(one.vocals, three.vocals)
    assert baseline.vocals.shape == song.vocals.shape


def test_codecs_of_two_models_have_rows_of_their_own(tmp_path):
    for name in ("one", "two"):
        save_model(tmp_path / name, tiny_model(), "# tiny\n")
    variants = [Variant(n, str(tmp_path / n), SeparationOptions()) for n in ("one", "two")]
    names = list(Contest(variants).systems())
    assert names[len(REFERENCES) :] == ["codec of one", "codec of two", "one", "two"]


def test_a_baseline_that_is_none_is_refused_by_name(tmp_path):
    with pytest.raises(ModelError, match=r"mask_unet\.yaml cannot be read"):
        Contest((), baseline=tmp_path).systems()
