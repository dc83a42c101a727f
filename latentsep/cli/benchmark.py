"""``latentsep benchmark``: speed and seams of a model on this machine."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from latentsep.cli.separate import refinement_mode

_MODEL = click.option(
    "-n", "--model", default="default", show_default=True, help="Name or model folder."
)
_DEVICE = click.option("-d", "--device", default="auto", show_default=True)
_STEPS = click.option("--steps", type=click.IntRange(1), help="Sampler steps.")
_REFINE = click.option("--refine/--no-refine", default=None, help="Mask the mixture.")
_OUTPUT = click.option(
    "--output", type=click.Choice(["text", "json"]), default="text", show_default=True
)


@click.group()
def benchmark() -> None:
    """Measure a model on this machine."""


@benchmark.command()
@_MODEL
@_DEVICE
@_STEPS
@_REFINE
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@click.option(
    "--length",
    "audio_s",
    type=click.FloatRange(10),
    default=210.0,
    show_default=True,
    help="Seconds of audio.",
)
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True)
@_OUTPUT
def speed(
    model: str,
    device: str,
    steps: int | None,
    refine: bool | None,
    threads: int,
    audio_s: float,
    repeats: int,
    output: str,
) -> None:
    """Audio-seconds per second of a model and of its parts, on audio in memory."""
    import torch

    from latentsep.evaluation.speed import measure_speed
    from latentsep.separation.separator import Separator

    torch.set_num_threads(threads)
    dials = {"device": device, "steps": steps, "refinement": refinement_mode(refine)}
    report = measure_speed(lambda: Separator.from_pretrained(model, **dials), audio_s, repeats)
    _print_values(asdict(report), output)


@benchmark.command()
@click.argument("song", type=click.Path(path_type=Path))
@_MODEL
@_DEVICE
@_STEPS
@_REFINE
@_OUTPUT
def seams(
    song: Path, model: str, device: str, steps: int | None, refine: bool | None, output: str
) -> None:
    """Change of SONG's vocals, in dB, when chunks start elsewhere or have another length."""
    from latentsep.audio.decode import read_audio
    from latentsep.audio.resample import resample
    from latentsep.evaluation.seams import measure_seams
    from latentsep.models.folder import load_model
    from latentsep.separation.options import SeparationOptions

    mixture, info = read_audio(song)
    loaded = load_model(model)
    rate_hz = loaded.latent_space.codec.sample_rate_hz
    options = SeparationOptions(device=device, steps=steps, refinement=refinement_mode(refine))
    reports = measure_seams(
        loaded, options, resample(mixture, info.sample_rate_hz, rate_hz), rate_hz
    )
    _print_values({report.change: report.difference_db for report in reports}, output)


def _print_values(values: dict[str, Any], output: str) -> None:
    if output == "json":
        # JSON has no infinity: no change at all is null.
        finite = {
            name: None if isinstance(value, float) and math.isinf(value) else value
            for name, value in values.items()
        }
        click.echo(json.dumps(finite, indent=2))
        return
    width = max(map(len, values))
    for name, value in values.items():
        click.echo(
            f"{name:{width}}  {value:.4g}"
            if isinstance(value, float)
            else f"{name:{width}}  {value}"
        )
