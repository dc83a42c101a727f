"""A model on disk: ``{model.yaml, model.safetensors, MODEL_CARD.md}``."""

import hashlib
import os
from importlib import resources
from pathlib import Path

import torch
import yaml
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save

from latentsep.errors import ModelError
from latentsep.models.config import ModelFile, WeightsConfig, explain
from latentsep.models.model import Model

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
    weights = folder / described.weights.file
    try:
        data = weights.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        if digest != described.weights.sha256:
            raise ModelError(
                f"{weights} has sha256 {digest}, {MODEL_FILE} says {described.weights.sha256}; "
                "the file is damaged or of another model: fetch the folder again"
            )
        tensors = load(data)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{weights} cannot be read: {error}") from error
    model = Model(described.model)
    _fill(model, tensors, weights)
    return model.eval().requires_grad_(False)


def save_model(folder: Path, model: Model, card: str) -> None:
    """Write a model folder; weights as float16, which halves them at no measured loss."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: tensor.detach().half().contiguous() for name, tensor in model.state_dict().items()
    }
    lost = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if lost:
        raise ModelError(f"{_some('not finite as float16', lost)}: nothing was written to {folder}")
    weights = folder / WeightsConfig.model_fields["file"].default
    data = save(tensors)
    weights.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    described = ModelFile(model=model.config, weights=WeightsConfig(sha256=digest))
    text = yaml.safe_dump(described.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    (folder / MODEL_FILE).write_text(text, encoding="utf-8")
    (folder / CARD_FILE).write_text(card, encoding="utf-8")


def _fill(model: Model, tensors: dict[str, torch.Tensor], weights: Path) -> None:
    wanted = model.state_dict()
    missing = sorted(wanted.keys() - tensors.keys())
    surplus = sorted(tensors.keys() - wanted.keys())
    reshaped = sorted(
        name for name in wanted.keys() & tensors.keys() if wanted[name].shape != tensors[name].shape
    )
    if missing or surplus or reshaped:
        raise ModelError(
            f"{weights} does not fit {MODEL_FILE}: {_some('missing', missing)}, "
            f"{_some('surplus', surplus)}, {_some('of another shape', reshaped)}; "
            "the two files are not of one model and one version"
        )
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})


def _some(what: str, names: list[str]) -> str:
    """How many tensors there are, and the first few."""
    listed = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} tensors {what}" + (f" ({listed})" if names else "")
