"""JSON as every reader takes it."""

import json
import math

import click


def print_json(document: object) -> None:
    """One document on stdout; infinities and NaN, which JSON has not, become null."""
    click.echo(json.dumps(_finite(document), indent=2, allow_nan=False))


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
