import pytest
import torch
import yaml
from tiny_models import CONFIG, tiny_model

from latentsep.errors import ConfigError, ModelError
from latentsep.evaluation.model_source import load_or_build, model_settings
from latentsep.models.folder import save_model


@pytest.fixture
def training_file(tmp_path):
    file = tmp_path / "tiny.yaml"
    file.write_text(yaml.safe_dump({"model": CONFIG, "data": {}, "duration_s": 1}))
    return str(file)


def test_a_training_file_gives_the_model_it_trains(training_file):
    assert model_settings(training_file) == tiny_model().config


def test_an_untrained_model_has_no_layer_that_hides_the_others(training_file):
    model = load_or_build(training_file, torch.Generator().manual_seed(0))
    assert all(weight.any() for weight in model.parameters() if weight.ndim > 1)
    state = torch.randn(1, 48, 128, generator=torch.Generator().manual_seed(1))
    condition = model.condition(state)
    early, late = (
        model.denoise(state, condition, level) for level in model.objective.schedule(2)[:2]
    )
    assert not torch.equal(early, late)


def test_a_folder_gives_its_trained_weights(tmp_path):
    save_model(tmp_path / "tiny", tiny_model(seed=3), "# tiny\n")
    model = load_or_build(str(tmp_path / "tiny"), torch.Generator())
    weight = tiny_model(seed=3).network.conv_in.weight
    assert torch.equal(model.network.conv_in.weight, weight.half().float())


def test_a_file_that_trains_no_model_is_refused(tmp_path):
    file = tmp_path / "codec.yaml"
    file.write_text(yaml.safe_dump({"codec": {"name": "mdct"}, "data": {}, "duration_s": 1}))
    with pytest.raises(ConfigError, match="trains no model"):
        model_settings(str(file))


def test_a_model_that_is_nowhere_is_refused():
    with pytest.raises(ModelError, match="unknown model 'nosuch'"):
        model_settings("nosuch")
