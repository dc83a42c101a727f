"""``latentsep benchmark``: speed of a model on this machine."""

import json
from dataclasses import asdict

import click


@click.command()
@click.option("-n", "--model", default="default", show_default=True, help="Name or model folder.")
@click.option("-d", "--device", default="auto", show_default=True)
@click.option("--steps", type=click.IntRange(1), help="Sampler steps.")
@click.option("--refine/--no-refine", default=None, help="Mask the mixture.")
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
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def benchmark(
    model: str,
    device: str,
    steps: int | None,
    refine: bool | None,
    threads: int,
    audio_s: float,
    repeats: int,
    output: str,
) -> None:  # fmt: skip
    """Measure audio-seconds per second of a model and its parts, on audio in memory."""
    import torch

    from latentsep.evaluation.speed import measure_speed
    from latentsep.separation.separator import Separator

    torch.set_num_threads(threads)
    refinement = None if refine is None else "mask" if refine else "off"
    report = measure_speed(
        lambda: Separator.from_pretrained(model, device=device, steps=steps, refinement=refinement),
        audio_s,
        repeats,
    )
    if output == "json":
        click.echo(json.dumps(asdict(report), indent=2))
        return
    for name, value in asdict(report).items():
        click.echo(f"{name:16} {value:.4g}" if isinstance(value, float) else f"{name:16} {value}")
