"""Options that several commands share, with one meaning and one text."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

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
SAMPLER = click.option(
    "--sampler",
    help="bridge, ddim, ddim_refined, dpmpp_2m or euler, as the model allows; its own by default.",
)
WARM_START = click.option(
    "--warm-start",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Begin at this time from a first estimate, not at 1 from noise; for diffusion models.",
)
_REFINEMENTS = {
    "--refine": ("mask", "Mask the mixture, guided by the model's vocals."),
    "--blend": ("blend", "Weigh this mask and the model's vocals against each other."),
    "--no-refine": (
        "off",
        "Take the model's vocals as they are; the model's own choice by default.",
    ),
}
OUTPUT = click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: one document on stdout at the end.",
)


def refinement(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options for ``refinement``, a word of ``SeparationOptions`` or None."""
    for flag, (mode, text) in reversed(_REFINEMENTS.items()):
        command = click.option(flag, "refinement", flag_value=mode, help=text)(command)
    return command


def model_label(model: str) -> str:
    """What a model is called in names and tables: its name, or that of its folder."""
    return Path(model).resolve().name
