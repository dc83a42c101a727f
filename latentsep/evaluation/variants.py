"""``steps=8,refinement=off``: a model's dials in one word of the command line."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from latentsep.errors import ConfigError
from latentsep.evaluation.systems import Variant
from latentsep.models.config import explain
from latentsep.separation.options import SeparationOptions

_DIAL = re.compile(r"\s*(\w+)\s*=\s*(\{[^{}]*\}|[^,{}]+?)\s*(?:,|$)")
MODEL = "model"


def parse_variants(texts: Sequence[str], model: str, base: Mapping[str, object]) -> list[Variant]:
    """Variants of one model or of several, each labelled by its model and what is special of it.

    Args:
        texts: ``NAME=VALUE,...`` each, or nothing at all; names are ``model`` and the fields of
            ``SeparationOptions``, and a value in braces is a YAML mapping.
        model: name or folder of the model where none is named.
        base: options of what is not named.

    Raises:
        ConfigError: a text is none of that or comes twice, or an option is impossible.
    """
    variants: dict[str, Variant] = {}
    for text in texts:
        dials = _dials(text)
        name = str(dials.pop(MODEL, model))
        special = ",".join(f"{key}={value}" for key, value in dials.items())
        label = f"{Path(name).resolve().name} {special}".strip()
        if label in variants:
            raise ConfigError(f"variant {text!r}: its row, {label!r}, is there already")
        variants[label] = Variant(label, name, _options({**base, **dials}, text))
    return list(variants.values())


def _dials(text: str) -> dict[str, object]:
    dials: dict[str, object] = {}
    place = 0
    while place < len(text):
        found = _DIAL.match(text, place)
        if found is None or found[1] in dials:
            raise ConfigError(
                f"variant {text!r} must be NAME=VALUE,NAME=VALUE with each name once; "
                f"names are {', '.join([MODEL, *SeparationOptions.model_fields])}"
            )
        dials[found[1]] = yaml.safe_load(found[2]) if found[2].startswith("{") else found[2]
        place = found.end()
    return dials


def _options(dials: Mapping[str, object], text: str) -> SeparationOptions:
    try:
        return SeparationOptions.model_validate(dials)
    except ValidationError as error:
        allowed = ", ".join([MODEL, *SeparationOptions.model_fields])
        where = f"variant {text!r}" if text else "options"
        raise ConfigError(f"{where}: {explain(error)}; names are {allowed}") from error
