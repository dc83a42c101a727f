"""Checkpoints are those that transformers itself writes, small, with random weights."""

import os
import pickle

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from small_codecs import small_codec
from tiny_models import randomise
from transformers import DacConfig, DacModel, EncodecConfig, EncodecModel

from latentsep.codecs.pretrained import load_pretrained
from latentsep.errors import ModelError

CLASSES = {"Encodec": (EncodecConfig, EncodecModel), "Dac": (DacConfig, DacModel)}
WITH_TWO_CODEBOOKS = {"Encodec": {"target_bandwidths": (10.0,)}, "Dac": {"n_codebooks": 2}}
WEIGHTS = "model.safetensors"
NAMES = ["dac_44khz", "encodec_24khz", "encodec_48khz"]


def _published(codec, seed=7):
    """The library's whole model of a codec's architecture, quantiser included."""
    config_class, model_class = CLASSES[codec.family]
    config = config_class(**codec.architecture, **WITH_TWO_CODEBOOKS[codec.family])
    model = model_class(config).eval().requires_grad_(False)
    randomise(model, seed)
    return model


@pytest.fixture
def codec():
    return small_codec("encodec_24khz")


@pytest.fixture
def checkpoint(codec, tmp_path):
    """A sound checkpoint for ``codec``, for a test to damage."""
    _published(codec).save_pretrained(tmp_path / "published")
    return tmp_path / "published"


def _change_tensors(checkpoint, change):
    tensors = {name: tensor.clone() for name, tensor in load_file(checkpoint / WEIGHTS).items()}
    save_file(change(tensors), checkpoint / WEIGHTS, metadata={"format": "pt"})


def _refused(codec, source, *parts, **options):
    before = {name: tensor.clone() for name, tensor in codec.state_dict().items()}
    with pytest.raises(ModelError) as caught:
        load_pretrained(codec, source, **options)
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in codec.state_dict().items())


def _noise(samples, channels=2):
    return 0.3 * torch.randn((1, channels, samples), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ["dac_44khz", "encodec_24khz"])
def test_latents_and_waveforms_are_those_of_the_published_networks(name, tmp_path):
    codec = small_codec(name, stereo="left_right")
    model = _published(codec)
    model.save_pretrained(tmp_path)
    load_pretrained(codec, tmp_path)
    waveform = _noise(320)
    latents = codec.encode(waveform)
    expected = torch.cat([model.encoder(waveform[:, c : c + 1]) for c in (0, 1)], dim=1)
    torch.testing.assert_close(latents, expected)
    decoded = torch.cat([model.decoder(half) for half in latents.chunk(2, dim=1)], dim=1)
    torch.testing.assert_close(codec.decode(latents), decoded)


def test_48khz_takes_the_published_weights_and_the_norms_gains(tmp_path):
    codec = small_codec("encodec_48khz")
    model = _published(codec)
    model.save_pretrained(tmp_path)
    load_pretrained(codec, tmp_path)
    wanted = {n: t for n, t in model.state_dict().items() if not n.startswith("quantizer.")}
    assert wanted.keys() == codec.state_dict().keys()
    assert [n for n in wanted if n.endswith("norm.bias")]
    for name, tensor in codec.state_dict().items():
        assert torch.equal(tensor, wanted[name]), name


def test_the_older_names_of_normalised_weights_are_understood(codec, checkpoint):
    def older(tensors):
        return {
            name.replace("parametrizations.weight.original0", "weight_g").replace(
                "parametrizations.weight.original1", "weight_v"
            ): tensor
            for name, tensor in tensors.items()
        }

    _change_tensors(checkpoint, older)
    assert [n for n in load_file(checkpoint / WEIGHTS) if n.endswith("weight_g")]
    other = small_codec("encodec_24khz", seed=1)
    load_pretrained(codec, checkpoint)
    _change_tensors(checkpoint, lambda tensors: tensors)
    load_pretrained(other, checkpoint)
    expected = _published(codec).encoder(_noise(320).mean(dim=1, keepdim=True))
    torch.testing.assert_close(codec.encode(_noise(320))[:, :8], expected)
    assert torch.equal(other.encode(_noise(320)), codec.encode(_noise(320)))


def test_a_loaded_codec_is_still_not_trained(codec, checkpoint):
    load_pretrained(codec, checkpoint)
    assert not [p for p in codec.parameters() if p.requires_grad]


@pytest.mark.parametrize("source", ["/no/such/folder", "nosuch", "a/b/c", "", "no such/name"])
def test_what_is_neither_folder_nor_name_is_refused_without_asking_anybody(codec, source):
    _refused(codec, source, f"{source} is no folder with config.json and model.safetensors")


def test_a_folder_without_a_configuration_is_refused(codec, checkpoint):
    (checkpoint / "config.json").unlink()
    _refused(codec, checkpoint, str(checkpoint), "is no folder with config.json")


@pytest.mark.parametrize("text", ["{", "[]", '{"hidden_size": "many"}'])
def test_a_broken_configuration_is_refused_by_its_folder(codec, checkpoint, text):
    (checkpoint / "config.json").write_text(text, "utf-8")
    _refused(codec, checkpoint, f"{checkpoint} cannot be read")


def test_weights_of_another_architecture_are_refused_with_both_values(checkpoint):
    other = {"sampling_rate": 8_000, "num_filters": 3, "hidden_size": 8}
    codec = small_codec("encodec_24khz", architecture={**other, "upsampling_ratios": [4, 4]})
    parts = ["num_filters is 2, not 3", "upsampling_ratios is [4, 2, 2], not [4, 4]"]
    _refused(codec, checkpoint, *parts, "codec.options.architecture")


def test_weights_of_the_mono_codec_do_not_fit_the_stereo_codec(checkpoint):
    _refused(small_codec("encodec_48khz"), checkpoint, "audio_channels is 1, not 2")


def test_missing_weights_are_refused(codec, checkpoint):
    (checkpoint / WEIGHTS).unlink()
    _refused(codec, checkpoint, f"{checkpoint} cannot be read", WEIGHTS)


def test_weights_that_are_no_safetensors_are_refused(codec, checkpoint):
    (checkpoint / WEIGHTS).write_bytes(b"not tensors")
    _refused(codec, checkpoint, f"{checkpoint} cannot be read")


class Canary:
    """Says when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("unpickled",)


def test_a_pickle_is_never_opened(codec, checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (checkpoint / WEIGHTS).unlink()
    (checkpoint / "pytorch_model.bin").write_bytes(pickle.dumps(Canary()))
    _refused(codec, checkpoint, WEIGHTS)
    assert not (tmp_path / "unpickled").exists()


def test_a_missing_tensor_is_not_made_up(codec, checkpoint):
    name = "encoder.layers.0.conv.bias"
    _change_tensors(checkpoint, lambda tensors: {n: t for n, t in tensors.items() if n != name})
    _refused(codec, checkpoint, "1 tensors are missing", name)


def test_a_tensor_of_another_shape_is_not_made_up(codec, checkpoint):
    name = "encoder.layers.0.conv.bias"
    _change_tensors(checkpoint, lambda tensors: {**tensors, name: torch.zeros(9)})
    _refused(codec, checkpoint, "1 tensors are missing or of another shape", name)


@pytest.mark.parametrize("name", ["identity", "mdct", "stft_ae"])
def test_codecs_without_published_weights_are_refused_with_those_that_have_some(name, checkpoint):
    _refused(small_codec(name), checkpoint, "encodec_24khz, encodec_48khz and dac_44khz")


def test_a_name_is_looked_up_on_the_hub_at_its_revision(codec, checkpoint, hub):
    with hub(checkpoint, "someone/codec", "v1"):
        load_pretrained(codec, "someone/codec", revision="v1")
        expected = small_codec("encodec_24khz")
        load_pretrained(expected, checkpoint)
        assert torch.equal(codec.encode(_noise(320)), expected.encode(_noise(320)))


def test_a_name_or_revision_the_hub_does_not_have_is_refused(codec, checkpoint, hub):
    with hub(checkpoint, "someone/codec", "v1"):
        _refused(codec, "someone/other", "someone/other cannot be fetched", "give a folder")
        _refused(codec, "someone/codec", "cannot be fetched", revision="v2")


def test_without_a_network_a_name_is_refused_with_what_to_do(codec, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    _refused(codec, "someone/codec", "someone/codec cannot be fetched", "give a folder with its")
