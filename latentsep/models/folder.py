"""A model on disk: ``{model.yaml, model.safetensors, MODEL_CARD.md}``."""

import os
from importlib import resources
from pathlib import Path

from latentsep.errors import ModelError
from latentsep.models.config import ModelFile, WeightsConfig
from latentsep.models.described import read_described, write_described
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
    return read_described(folder / MODEL_FILE, ModelFile)


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
    write_described(folder / MODEL_FILE, described)
    (folder / CARD_FILE).write_text(card, encoding="utf-8")
