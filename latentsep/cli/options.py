"""Options that several commands share, with one meaning and one text."""

from pathlib import Path

import click

MODEL = click.option(
    "-n",
    "--model",
    default="default",
    show_default=True,
    help="A name of `latentsep models`, or a model folder.",
)
DEVICE = click.option(
    "-d", "--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps."
)
STEPS = click.option(
    "--steps", type=click.IntRange(1), help="Sampler steps; the model's own by default."
)
REFINE = click.option(
    "--refine/--no-refine",
    default=None,
    help="Mask the mixture, guided by the model's vocals; the model's own choice by default.",
)
OUTPUT = click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: one document on stdout at the end.",
)


def refinement_mode(refine: bool | None) -> str | None:
    """The word of ``SeparationOptions`` for ``--refine/--no-refine``."""
    return None if refine is None else "mask" if refine else "off"


def model_label(model: str) -> str:
    """What a model is called in names and tables: its name, or that of its folder."""
    return Path(model).resolve().name
