import hashlib
import os
import pickle
import re

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from tiny_models import tiny_model

from latentsep.errors import ModelError
from latentsep.models import folder as module
from latentsep.models.folder import (
    CARD_FILE,
    MODEL_FILE,
    bundled_names,
    find_model,
    load_model,
    read_model_file,
    save_model,
)

WEIGHTS_FILE = "model.safetensors"


@pytest.fixture
def saved(tmp_path):
    """A sound model folder, for a test to damage."""
    folder = tmp_path / "tiny"
    save_model(folder, tiny_model(), "# tiny\n")
    return folder


def _rewrite(folder, change):
    """Change ``model.yaml``, parsed."""
    described = yaml.safe_load((folder / MODEL_FILE).read_text("utf-8"))
    change(described)
    (folder / MODEL_FILE).write_text(yaml.safe_dump(described), "utf-8")


def _replace_weights(folder, write):
    """Write other weights, and the digest that goes with them."""
    weights = folder / WEIGHTS_FILE
    write(weights)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    _rewrite(folder, lambda described: described["weights"].update(sha256=digest))


def _change_tensors(folder, change):
    tensors = load_file(folder / WEIGHTS_FILE)
    change(tensors)
    _replace_weights(folder, lambda weights: save_file(tensors, weights))


def _refused(folder, *parts):
    with pytest.raises(ModelError) as caught:
        load_model(folder)
    for part in parts:
        assert part in str(caught.value)


def test_a_model_comes_back_with_its_settings_and_weights_rounded_to_float16(tmp_path):
    model = tiny_model(seed=3)
    model.latent_space.scale.mul_(1.5)
    save_model(tmp_path / "tiny", model, "# tiny\n")
    again = load_model(tmp_path / "tiny")
    assert again.config == model.config
    assert again.state_dict().keys() == model.state_dict().keys()
    for name, tensor in again.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, model.state_dict()[name].half().float()), name


def test_a_loaded_model_is_ready_to_separate(saved):
    model = load_model(saved)
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_what_is_saved_twice_has_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        save_model(tmp_path / name, tiny_model(seed=3), "# tiny\n")
    for file in (MODEL_FILE, WEIGHTS_FILE, CARD_FILE):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_loaded_model_is_saved_with_the_digest_it_came_with(saved, tmp_path):
    save_model(tmp_path / "copy", load_model(saved), "# tiny\n")
    assert read_model_file(tmp_path / "copy") == read_model_file(saved)


def test_a_flipped_bit_is_found_by_the_digest(saved):
    weights = bytearray((saved / WEIGHTS_FILE).read_bytes())
    weights[-1] ^= 1
    (saved / WEIGHTS_FILE).write_bytes(weights)
    _refused(saved, WEIGHTS_FILE, hashlib.sha256(weights).hexdigest(), "damaged")


def test_a_missing_tensor_is_named(saved):
    _change_tensors(saved, lambda tensors: tensors.pop("network.conv_out.bias"))
    _refused(saved, "missing tensors ['network.conv_out.bias']")


def test_a_surplus_tensor_is_named(saved):
    _change_tensors(saved, lambda tensors: tensors.update(stray=torch.zeros(1)))
    _refused(saved, "surplus ['stray']")


def test_a_tensor_of_another_shape_is_named(saved):
    _change_tensors(saved, lambda t: t.update({"network.conv_out.bias": torch.zeros(3)}))
    _refused(saved, "of another shape ['network.conv_out.bias']")


def test_missing_weights_are_named(saved):
    (saved / WEIGHTS_FILE).unlink()
    _refused(saved, str(saved / WEIGHTS_FILE), "cannot be read")


def test_weights_that_are_no_safetensors_are_named(saved):
    _replace_weights(saved, lambda weights: weights.write_bytes(b"not tensors"))
    _refused(saved, str(saved / WEIGHTS_FILE), "cannot be read")


class Canary:
    """Says when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("unpickled",)


@pytest.mark.parametrize("write", [pickle.dumps, torch.save], ids=["pickle", "torch"])
def test_a_pickle_is_never_opened(saved, tmp_path, monkeypatch, write):
    monkeypatch.chdir(tmp_path)

    def put(weights):
        if write is torch.save:
            torch.save({"canary": Canary()}, weights)
        else:
            weights.write_bytes(pickle.dumps(Canary()))

    _replace_weights(saved, put)
    _refused(saved, "cannot be read")
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize(
    "file",
    ["../x.safetensors", "a/x.safetensors", "/x.safetensors", "x.pt", ".safetensors\n", "x\\y.pt"],
)
def test_weights_lie_beside_the_settings_and_nowhere_else(saved, file):
    _rewrite(saved, lambda described: described["weights"].update(file=file))
    _refused(saved, MODEL_FILE, "weights.file")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("model: [", "cannot be read"),
        ("", "valid dictionary"),
        ("just words", "valid dictionary"),
        ("model: {}", "weights: Field required"),
        ("!!python/object/apply:os.mkdir [unpickled]", "cannot be read"),
        ("a: &a [*a]\n\tb", "cannot be read"),
    ],
)
def test_broken_settings_are_refused_by_file_name(saved, tmp_path, monkeypatch, text, part):
    monkeypatch.chdir(tmp_path)
    (saved / MODEL_FILE).write_text(text, "utf-8")
    _refused(saved, str(saved / MODEL_FILE), part)
    assert not (tmp_path / "unpickled").exists()


def test_settings_that_are_not_text_are_refused_by_file_name(saved):
    (saved / MODEL_FILE).write_bytes(b"\xff\xfe\x00\x81")
    _refused(saved, str(saved / MODEL_FILE), "cannot be read")


def test_an_unknown_key_is_named(saved):
    _rewrite(saved, lambda described: described["model"].update(colour="red"))
    _refused(saved, str(saved / MODEL_FILE), "model.colour")


def test_a_folder_of_a_later_format_is_refused(saved):
    _rewrite(saved, lambda described: described["model"].update(format=2))
    _refused(saved, "model.format")


def test_an_unknown_part_in_the_settings_is_named(saved):
    _rewrite(saved, lambda described: described["model"]["codec"].update(name="nosuch"))
    _refused(saved, "unknown codec 'nosuch'")


@pytest.mark.parametrize(
    "name", ["nosuch", "", "no/such", pytest.param("x" * 300, id="too-long"), "nul\0"]
)
def test_a_model_nobody_knows_is_named_with_what_there_is(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="unknown model") as caught:
        find_model(name)
    assert repr(name) in str(caught.value)
    assert "latentsep models" in str(caught.value)


def test_a_folder_is_found_by_its_path_relative_or_not(saved, monkeypatch):
    assert find_model(saved) == saved
    assert find_model(str(saved)) == saved
    monkeypatch.chdir(saved.parent)
    assert find_model("tiny").resolve() == saved


def test_a_bundled_model_is_found_by_name_before_any_folder(saved, tmp_path, monkeypatch):
    bundled = tmp_path / "bundled"
    save_model(bundled / "tiny", tiny_model(), "# tiny\n")
    monkeypatch.setattr(module, "bundled_folder", lambda: bundled)
    monkeypatch.chdir(saved.parent)
    assert bundled_names() == ["tiny"]
    assert find_model("tiny") == bundled / "tiny"


def test_the_unknown_model_message_lists_the_bundled_ones(tmp_path, monkeypatch):
    save_model(tmp_path / "tiny", tiny_model(), "# tiny\n")
    monkeypatch.setattr(module, "bundled_folder", lambda: tmp_path)
    with pytest.raises(ModelError, match=re.escape("bundled model (tiny)")):
        find_model("nosuch")


@pytest.mark.parametrize("name", bundled_names())
def test_every_bundled_model_loads_and_has_a_card(name):
    model = load_model(name)
    assert model.config.name == name
    assert (find_model(name) / CARD_FILE).read_text("utf-8").startswith(f"# {name}\n")


def test_weights_that_float16_cannot_hold_are_not_saved(tmp_path):
    model = tiny_model()
    model.network.conv_out.bias[0] = 1e6
    with pytest.raises(ModelError, match=re.escape("network.conv_out.bias")):
        save_model(tmp_path / "tiny", model, "# tiny\n")
