"""Settings as YAML beside tensors: what folders of models, codecs and baselines have in common."""

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from latentsep.errors import ModelError
from latentsep.models.config import explain

Described = TypeVar("Described", bound=BaseModel)


def read_described(path: Path, kind: type[Described]) -> Described:
    """Read and check settings.

    Raises:
        ModelError: the file is unreadable, not YAML, or says something that is not allowed.
    """
    try:
        return kind.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
    except ValidationError as error:
        raise ModelError(f"{path}: {explain(error)}") from error


def write_described(path: Path, described: BaseModel) -> None:
    """Write settings in their own order."""
    text = yaml.safe_dump(described.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    path.write_text(text, encoding="utf-8")
