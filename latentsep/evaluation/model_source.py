"""Models to be measured: trained ones, and untrained ones from the training file of a model."""

import math
from pathlib import Path

import torch

from latentsep.errors import ConfigError
from latentsep.models.config import ModelConfig
from latentsep.models.folder import find_model, load_model, read_model_file
from latentsep.models.model import Model
from latentsep.training.config import TrainConfig
from latentsep.training.run import read_train_config


def model_settings(source: str) -> ModelConfig:
    """Settings of a bundled name, a model folder, or a training file of a model.

    Raises:
        ModelError: no such model, or a damaged folder.
        ConfigError: the file cannot be read or used, or trains no model.
    """
    if not _is_training_file(source):
        return read_model_file(find_model(source)).model
    config = read_train_config(Path(source))
    if isinstance(config, TrainConfig):
        return config.model
    raise ConfigError(f"{source} trains no model but a part or a baseline; give a file of a model")


def load_or_build(source: str, generator: torch.Generator) -> Model:
    """The model of a name or folder, or that of a training file with random weights.

    Args:
        source: as ``model_settings`` takes it.
        generator: draws the random weights that begin at zero; the others are torch's own.

    Raises:
        ModelError, ConfigError: as ``model_settings``; a folder's weights do not fit.
    """
    if not _is_training_file(source):
        return load_model(source)
    model = Model(model_settings(source)).eval().requires_grad_(False)
    _fill_zeros(model, generator)
    return model


def _is_training_file(source: str) -> bool:
    return Path(source).suffix in (".yaml", ".yml")


def _fill_zeros(model: Model, generator: torch.Generator) -> None:
    """Give matrices of zeros random values: behind such a layer nothing else can be seen."""
    for weight in model.parameters():
        if weight.ndim > 1 and not weight.any():
            weight.normal_(std=1 / math.sqrt(weight[0].numel()), generator=generator)
