"""A model folder holds its codec's weights, so whoever separates needs no hub."""

import hashlib

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from small_codecs import ENCODEC_SIZES, OPTIONS, small_codec
from tiny_models import difference_db, noise_waveform, randomise, tiny_model

from latentsep.errors import ModelError
from latentsep.models.folder import MODEL_FILE, load_model, save_model
from latentsep.models.latent_space import LatentSpace
from latentsep.separation.options import SeparationOptions
from latentsep.separation.separator import Separator

NAMES = ["dac_44khz", "encodec_24khz", "encodec_48khz"]
WEIGHTS = "model.safetensors"
BIAS = {
    "dac_44khz": "latent_space.codec.encoder.conv1.bias",
    "encodec_24khz": "latent_space.codec.encoder.layers.0.conv.bias",
    "encodec_48khz": "latent_space.codec.encoder.layers.0.norm.bias",
}


def _noise(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _model(name, options=None, **changes):
    codec = {"name": name, "options": options or OPTIONS[name]}
    model = tiny_model(codec=codec, **changes)
    randomise(model.latent_space, 5)
    return model.requires_grad_(False)


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_codec_comes_back_with_the_latents_of_its_rounded_weights(name, tmp_path):
    model = _model(name)
    save_model(tmp_path, model, "# tiny\n")
    again = load_model(tmp_path).latent_space.codec
    for tensor in model.state_dict().values():
        tensor.copy_(tensor.half().float())
    codec = model.latent_space.codec
    waveform = torch.randn((1, 2, 20 * 16), generator=torch.Generator().manual_seed(0))
    assert torch.equal(again.encode(waveform), codec.encode(waveform))
    assert torch.equal(again.decode(codec.encode(waveform)), codec.decode(codec.encode(waveform)))


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_tensor_of_the_codec_is_named(name, tmp_path):
    save_model(tmp_path, _model(name), "# tiny\n")
    tensors = load_file(tmp_path / WEIGHTS)
    del tensors[BIAS[name]]
    save_file(tensors, tmp_path / WEIGHTS)
    described = yaml.safe_load((tmp_path / MODEL_FILE).read_text("utf-8"))
    digest = hashlib.sha256((tmp_path / WEIGHTS).read_bytes()).hexdigest()
    described["weights"]["sha256"] = digest
    (tmp_path / MODEL_FILE).write_text(yaml.safe_dump(described), "utf-8")
    with pytest.raises(ModelError, match=f"1 tensors missing \\({BIAS[name]}\\)"):
        load_model(tmp_path)


# Tracks have at least 8,000 samples a second; hops of 1,000 leave eight frames to a second.
AT_8_KHZ = {
    "architecture": {**ENCODEC_SIZES, "sampling_rate": 8_000, "upsampling_ratios": [25, 8, 5]},
    "reach_frames": 30,
}


@pytest.mark.parametrize("level_radius_frames", [0, 8])
@pytest.mark.parametrize(
    ("name", "options", "window_samples"),
    [
        ("dac_44khz", None, 256),
        ("encodec_24khz", None, 256),
        ("encodec_48khz", AT_8_KHZ, 3_200),
    ],
)
def test_a_model_on_the_codec_gives_the_same_stems_wherever_its_windows_start(
    name, options, window_samples, level_radius_frames
):
    model = _model(
        name,
        options,
        level_radius_frames=level_radius_frames,
        refinement={"window_samples": window_samples},
        objective={"name": "bridge", "options": {"spread": 0.0}},
    )
    separator = Separator(model, SeparationOptions())
    rate_hz, plan = model.latent_space.codec.sample_rate_hz, separator.plan
    track = noise_waveform(0, 250 * plan.hop_samples)
    shift = 7 * plan.stride_frames * plan.hop_samples
    vocals = separator.separate(track, rate_hz).vocals
    moved = separator.separate(np.pad(track, ((0, 0), (shift, 0))), rate_hz).vocals
    assert vocals.shape == track.shape
    assert difference_db(moved[:, shift:], vocals) < -60


def test_a_codec_that_does_not_scale_has_a_shift_and_no_level():
    codec = small_codec("dac_44khz")
    space = LatentSpace(codec, 4)
    assert "shift" in space.state_dict()
    assert "shift" not in LatentSpace(small_codec("mdct"), 4).state_dict()
    space.scale.copy_(_noise(0, codec.latent_channels, 1).abs() + 0.1)
    space.shift.copy_(_noise(1, codec.latent_channels, 1))
    waveform = _noise(2, 1, 2, 20 * codec.hop_samples)
    latents = space.encode(waveform)
    torch.testing.assert_close(latents, (codec.encode(waveform) - space.shift) * space.scale)
    expected = codec.decode(codec.encode(waveform))
    torch.testing.assert_close(space.decode(latents), expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(space.level(latents), torch.ones(1, 1, latents.shape[2]))
