"""A model on disk: ``{model.yaml, model.safetensors, MODEL_CARD.md}``."""

import os
from importlib import resources
from pathlib import Path

import yaml
from pydantic import BaseModel, ValidationError

from latentsep.errors import ModelError
from latentsep.models.config import ModelFile, WeightsConfig, explain
from latentsep.models.model import Model
from latentsep.models.tensors import fill_tensors, write_tensors

MODEL_FILE = "model.yaml"
CARD_FILE = "MODEL_CARD.md"


def bundled_folder() -> Path:
    """Where the models that come with the package lie."""
    return Path(str(resources.files("latentsep.models"))) / "bundled"


def bundled_names() -> list[str]:
    """Names of the models that come with the package."""
    return sorted(path.parent.name for path in bundled_folder().glob(f"*/{MODEL_FILE}"))


def find_model(name_or_folder: str | Path) -> Path:
    """The folder of a bundled name, or of a path to a model folder.

    Raises:
        ModelError: it is neither.
    """
    is_bundled = str(name_or_folder) in bundled_names()
    folder = bundled_folder() / name_or_folder if is_bundled else Path(name_or_folder)
    # os.path says no where pathlib raises: names that are too long, folders that are closed.
    if os.path.isfile(folder / MODEL_FILE):  # noqa: PTH113
        return folder
    raise ModelError(
        f"unknown model {str(name_or_folder)!r}: neither a bundled model "
        f"({', '.join(bundled_names())}) nor a folder with {MODEL_FILE}; "
        "`latentsep models` lists what there is"
    )


def read_model_file(folder: Path) -> ModelFile:
    """Read and check ``model.yaml``.

    Raises:
        ModelError: it is unreadable, not YAML, or says something that is not allowed.
    """
    path = folder / MODEL_FILE
    try:
        return ModelFile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
    except ValidationError as error:
        raise ModelError(f"{path}: {explain(error)}") from error


def load_model(name_or_folder: str | Path) -> Model:
    """Build a model and fill in its weights, on the CPU, ready to separate.

    Raises:
        ModelError: unknown model, damaged folder, digest mismatch, missing or surplus tensors.
    """
    folder = find_model(name_or_folder)
    described = read_model_file(folder)
    model = Model(described.model)
    weights = described.weights
    fill_tensors(model, folder / weights.file, weights.sha256, MODEL_FILE)
    return model.eval().requires_grad_(False)


def save_model(folder: Path, model: Model, card: str) -> None:
    """Write a model folder.

    Raises:
        ModelError: a weight is not finite as float16.
    """
    folder.mkdir(parents=True, exist_ok=True)
    digest = write_tensors(folder / WeightsConfig.model_fields["file"].default, model)
    described = ModelFile(model=model.config, weights=WeightsConfig(sha256=digest))
    (folder / MODEL_FILE).write_text(as_yaml(described), encoding="utf-8")
    (folder / CARD_FILE).write_text(card, encoding="utf-8")


def as_yaml(described: BaseModel) -> str:
    """Settings in their own order."""
    return yaml.safe_dump(described.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
