import json

import pytest
import soundfile
import yaml
from tiny_models import CONFIG, noise_waveform, tiny_model

from latentsep.models import folder as model_folders
from latentsep.models.folder import save_model


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    """A package with one bundled model."""
    save_model(tmp_path / "tiny", tiny_model(), "# tiny\n")
    (tmp_path / "no_model").mkdir()
    monkeypatch.setattr(model_folders, "bundled_folder", lambda: tmp_path)
    return tmp_path


def test_models_are_listed_with_their_licence(run, bundle):
    size = (bundle / "tiny/model.safetensors").stat().st_size
    assert run("models") == (0, f"tiny  CC0-1.0  {size:,} bytes  for tests\n", "")


def test_models_are_listed_as_json(run, bundle):
    code, told, errors = run("models", "--output", "json")
    (listed,) = json.loads(told)
    assert (code, errors) == (0, "")
    assert listed["name"] == "tiny"
    assert listed["licence"] == "CC0-1.0"
    assert listed["codec"] == "mdct"
    assert listed["steps"] == 1
    assert len(listed["sha256"]) == 64
    assert listed["folder"] == str(bundle / "tiny")


def test_a_bundled_name_can_be_used(run, bundle, song, tmp_path):
    code, told, _ = run("separate", song, "-n", "tiny", "-o", tmp_path / "out")
    assert code == 0
    assert f"{tmp_path}/out/tiny/song" in told


def test_the_parts_of_a_bundled_model_are_listed_with_their_parameters(run, bundle):
    code, told, errors = run("models", "--parts", "tiny", "--output", "json")
    parts = {entry["part"]: entry["parameters"] for entry in json.loads(told)}
    assert (code, errors) == (0, "")
    assert parts["codec"] == 0
    assert parts["network"] == sum(p.numel() for p in tiny_model().network.parameters())
    assert parts["network.conv_in"] == 2 * 48 * 3 * 8 + 8
    assert parts["network"] == sum(n for name, n in parts.items() if name.startswith("network."))


def test_the_parts_of_a_training_file_are_those_of_its_model(run, bundle, tmp_path):
    file = tmp_path / "tiny.yaml"
    file.write_text(yaml.safe_dump({"model": CONFIG, "data": {}, "duration_s": 1}))
    assert run("models", "--parts", file) == run("models", "--parts", "tiny")


def test_a_training_file_without_a_model_has_no_parts(run, tmp_path):
    file = tmp_path / "codec.yaml"
    file.write_text(yaml.safe_dump({"codec": {"name": "mdct"}, "data": {}, "duration_s": 1}))
    code, told, errors = run("models", "--parts", file)
    assert (code, told) == (2, "")
    assert f"{file} trains no model" in errors


def test_a_model_that_is_nowhere_has_no_parts(run, bundle):
    code, told, errors = run("models", "--parts", "nosuch")
    assert (code, told) == (2, "")
    assert "unknown model 'nosuch'" in errors


def test_a_card_is_completed_from_what_evaluate_prints(run, tmp_path):
    folder = tmp_path / "mine"
    save_model(folder, tiny_model(), "# tiny\n\n## Quality\n\nNot measured yet.\n")
    for seed, stem in enumerate(("vocals", "drums")):
        (tmp_path / "song").mkdir(exist_ok=True)
        soundfile.write(tmp_path / f"song/{stem}.wav", noise_waveform(seed, 16_000).T, 8_000)
    variants = ("--variant", "steps=1", "--variant", "steps=4")
    code, told, _ = run("evaluate", tmp_path / "song", "-n", folder, *variants, "--output", "json")
    assert code == 0
    (tmp_path / "scores.json").write_text(told)
    code, told, errors = run(
        *("models", "card", folder, "--scores", tmp_path / "scores.json", "--note", "A laptop.")
    )
    assert (code, told, errors) == (0, f"{folder / 'MODEL_CARD.md'}\n", "")
    card = (folder / "MODEL_CARD.md").read_text("utf-8")
    assert "| mine steps=4 |" in card
    assert "| 4 | mine steps=4 |" in card
    assert card.endswith("A laptop.\n")
    assert "Not measured" not in card


def test_a_card_needs_scores(run, tmp_path):
    code, _, errors = run("models", "card", tmp_path)
    assert code == 2
    assert "--scores" in errors
