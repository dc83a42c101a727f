"""``latentsep benchmark``: speed and seams of a model on this machine."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from latentsep.cli import options
from latentsep.cli.json_document import print_json


@click.group()
def benchmark() -> None:
    """Measure a model on this machine."""


@benchmark.command()
@options.MODEL
@options.DEVICE
@options.STEPS
@options.refinement
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
@options.OUTPUT
def speed(
    model: str,
    device: str,
    steps: int | None,
    refinement: str | None,
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
    dials = {"device": device, "steps": steps, "refinement": refinement}
    report = measure_speed(lambda: Separator.from_pretrained(model, **dials), audio_s, repeats)
    _print_values(asdict(report), output)


@benchmark.command()
@click.argument("song", type=click.Path(path_type=Path))
@options.MODEL
@options.DEVICE
@options.STEPS
@options.refinement
@options.OUTPUT
def seams(
    song: Path, model: str, device: str, steps: int | None, refinement: str | None, output: str
) -> None:
    """What of SONG's vocals depends on where chunks and windows lie, and whether borders show.

    In dB the change of the vocals when chunks start elsewhere or have another length, or windows a
    longer halo; in % how far the spectral flux at borders is above that elsewhere.
    """
    from latentsep.audio.decode import read_audio
    from latentsep.audio.resample import resample
    from latentsep.evaluation.seams import measure_seams
    from latentsep.models.folder import load_model
    from latentsep.separation.options import SeparationOptions

    mixture, info = read_audio(song)
    loaded = load_model(model)
    rate_hz = loaded.latent_space.codec.sample_rate_hz
    chosen = SeparationOptions.model_validate(
        {"device": device, "steps": steps, "refinement": refinement}
    )
    figures = measure_seams(
        loaded, chosen, resample(mixture, info.sample_rate_hz, rate_hz), rate_hz
    )
    _print_values({f"{one.name}, {one.unit}": one.value for one in figures}, output)


@benchmark.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@options.MODEL
@options.DEVICE
@options.STEPS
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@click.option("--files", type=click.IntRange(1), help="At most so many of FOLDER's recordings.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@options.OUTPUT
def job(
    folder: Path,
    model: str,
    device: str,
    steps: int | None,
    threads: int,
    files: int | None,
    rounds: int,
    output: str,
) -> None:
    """The job against the bare separator and against separate stages, on FOLDER's recordings."""
    from latentsep.evaluation.job_benchmark import measure_job
    from latentsep.pipeline.inputs import expand_inputs
    from latentsep.pipeline.job_config import JobConfig, override

    found = [file.path for file in expand_inputs((str(folder),), own=())][:files]
    config = override(JobConfig(), {"model": model, "device": device, "steps": steps})
    report = asdict(measure_job(found, config, threads, rounds))
    shares = report.pop("stage_shares")
    _print_values({**report, **{f"share of {name}": x for name, x in shares.items()}}, output)


@benchmark.command()
@click.option("--tracks", type=click.IntRange(10), multiple=True, default=(1_000, 10_000))
@click.option("--tracks-per-block", type=click.IntRange(1), default=25, show_default=True)
@options.OUTPUT
def engine(tracks: tuple[int, ...], tracks_per_block: int, output: str) -> None:
    """What driver, Ray Data and ledger cost per track, with workers that touch no audio."""
    from latentsep.evaluation.engine_benchmark import measure_engine
    from latentsep.pipeline.job_config import JobConfig, WorkerConfig

    workers = WorkerConfig(count=1, cpus=1, tracks_per_block=tracks_per_block)
    for count in tracks:
        _print_values(asdict(measure_engine(count, JobConfig(workers=workers))), output)


def _print_values(values: dict[str, Any], output: str) -> None:
    if output == "json":
        print_json(values)
        return
    width = max(map(len, values))
    for name, value in values.items():
        click.echo(
            f"{name:{width}}  {value:.4g}"
            if isinstance(value, float)
            else f"{name:{width}}  {value}"
        )
