import json

import pytest
from tiny_models import tiny_model

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
