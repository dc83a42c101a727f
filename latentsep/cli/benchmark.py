"""``latentsep benchmark``: speed and seams of models, the job and its engine on this machine."""

import sys
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from latentsep.cli import options
from latentsep.cli.comma_list import comma_list
from latentsep.cli.exit_codes import EXIT_REJECTS
from latentsep.cli.json_document import print_json

if TYPE_CHECKING:
    from latentsep.evaluation.speed import SpeedRow
    from latentsep.models.config import RefinementMode
    from latentsep.separation.options import Precision

_COUNTS = comma_list(click.IntRange(1))
_PRECISIONS = comma_list(click.Choice(["float32", "bfloat16"]))


@click.group()
def benchmark() -> None:
    """Measure a model on this machine."""


@benchmark.command()
@click.argument("models", nargs=-1, required=True)
@options.DEVICE
@click.option(
    "--batch-chunks",
    metavar="N,...",
    callback=_COUNTS,
    help="Chunks per call of the network; the separator's own choice by default.",
)
@click.option(
    "--steps", metavar="N,...", callback=_COUNTS, help="Sampler steps; the model's own by default."
)
@click.option(
    "--precision",
    "precisions",
    metavar="NAME,...",
    callback=_PRECISIONS,
    default="float32",
    show_default=True,
    help="float32, bfloat16 or both.",
)
@click.option("--compile", "compiled", is_flag=True, help="Compile the network first.")
@options.refinement
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@click.option(
    "--audio-seconds",
    "audio_s",
    type=click.FloatRange(0, min_open=True),
    default=120.0,
    show_default=True,
    help="Length of the audio at least; it fills whole batches.",
)
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True)
@options.OUTPUT
def separator(
    models: tuple[str, ...],
    device: str,
    batch_chunks: list[int] | None,
    steps: list[int] | None,
    precisions: "list[Precision]",
    compiled: bool,
    refinement: "RefinementMode | None",
    threads: int,
    audio_s: float,
    repeats: int,
    output: str,
) -> None:
    """Speed of MODELS and their parts, memory, and share of the device's peak.

    MODELS are bundled names, model folders, or training files of a model, whose weights are then
    random: they change no timing. --batch-chunks, --steps and --precision take lists such as 1,4;
    every combination is measured, in a process of its own. Precisions are compared with float32
    where that is one of them.
    """
    from latentsep.cli.speed_table import print_speeds
    from latentsep.evaluation.model_source import model_settings
    from latentsep.evaluation.speed import SpeedSetup, SpeedTrial, measure_speeds
    from latentsep.separation.separator import pick_device

    for model in models:
        model_settings(model)
    batches: list[int] | list[None] = batch_chunks or [None]
    counts: list[int] | list[None] = steps or [None]
    # What is compared with comes first.
    dials = product(models, batches, counts, sorted(precisions, key="float32".__ne__))
    setup = SpeedSetup(str(pick_device(device)), refinement, compiled, audio_s, threads, repeats)
    rows = measure_speeds([SpeedTrial(*each) for each in dials], setup)
    if output == "json":
        print_json({**asdict(setup), "rows": [_flat(row) for row in rows]})
    else:
        print_speeds(rows)


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

    The model may be a training file as well: it is measured with random weights.

    In dB the change of the vocals when chunks start elsewhere or have another length, or windows a
    longer halo; in % how far the spectral flux at borders is above that elsewhere.
    """
    import torch

    from latentsep.audio.decode import read_audio
    from latentsep.audio.resample import resample
    from latentsep.evaluation.model_source import load_or_build
    from latentsep.evaluation.seams import measure_seams
    from latentsep.separation.options import SeparationOptions

    mixture, info = read_audio(song)
    loaded = load_or_build(model, torch.Generator().manual_seed(0))
    rate_hz = loaded.latent_space.codec.sample_rate_hz
    chosen = SeparationOptions.model_validate(
        {"device": device, "steps": steps, "refinement": refinement}
    )
    figures = measure_seams(
        loaded, chosen, resample(mixture, info.sample_rate_hz, rate_hz), rate_hz
    )
    _print_values({f"{one.name}, {one.unit}": one.value for one in figures}, output)


@benchmark.command()
@click.argument("folder", type=click.Path(path_type=Path))
@options.MODEL
@options.DEVICE
@options.STEPS
@options.refinement
@click.option(
    "--excerpt",
    "excerpt_s",
    type=click.FloatRange(0, min_open=True),
    help="Seconds of the middle of each song; whole songs by default.",
)
@options.OUTPUT
def songs(
    folder: Path,
    model: str,
    device: str,
    steps: int | None,
    refinement: str | None,
    excerpt_s: float | None,
    output: str,
) -> None:
    """Whether anything is wrong with the vocals of FOLDER's songs, which have true stems.

    Not a number; borders of chunks and windows that are heard; sound where the true vocals are
    silent. Ends with 1 if a song has the first, or a border's spectral flux is more than 2 % off
    what it is at the same place without a border.
    """
    from latentsep.cli.song_table import print_checks
    from latentsep.evaluation.song_check import check_songs
    from latentsep.evaluation.songs import find_songs
    from latentsep.models.folder import load_model
    from latentsep.separation.options import SeparationOptions
    from latentsep.separation.separator import Separator

    chosen = SeparationOptions.model_validate(
        {"device": device, "steps": steps, "refinement": refinement}
    )
    found = find_songs(folder)
    checks = check_songs(found, Separator(load_model(model), chosen), excerpt_s)
    if output == "json":
        told = list(checks)
        print_json([{**asdict(check), "passed": check.passed} for check in told])
    else:
        told = print_checks(checks, [song.name for song in found])
    if not all(check.passed for check in told):
        sys.exit(EXIT_REJECTS)


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


@benchmark.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@options.MODEL
@options.DEVICE
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@options.OUTPUT
def metrics(folder: Path, model: str, device: str, threads: int, output: str) -> None:
    """CPU-seconds inside metric calls, of those of a job on FOLDER's recordings.

    The job is scraped every 15 s. Times are of the driver and of all workers, in seconds.
    """
    from latentsep.evaluation.metrics_benchmark import measure_metrics
    from latentsep.pipeline.inputs import expand_inputs
    from latentsep.pipeline.job_config import JobConfig, override

    found = [file.path for file in expand_inputs((str(folder),), own=())]
    config = override(JobConfig(), {"model": model, "device": device, "threads": threads})
    report = asdict(measure_metrics(found, config))
    parts = {
        f"{process} {name}": value
        for process in ("driver", "workers")
        for name, value in report.pop(process).items()
    }
    _print_values({**report, **parts}, output)


@benchmark.command("report")
@click.option("--tracks", type=click.IntRange(1), default=1_000_000, show_default=True)
@options.OUTPUT
def report_(tracks: int, output: str) -> None:
    """What the report page of a large output costs, over a made-up ledger."""
    import numpy as np

    from latentsep.evaluation.report_benchmark import measure_report

    _print_values(asdict(measure_report(tracks, np.random.default_rng(0))), output)


def _flat(row: "SpeedRow") -> dict[str, Any]:
    """A row as one level of names; what was asked for gives way to what was measured."""
    figures = {} if row.figures is None else asdict(row.figures)
    found = {"difference_db": row.difference_db, "problem": row.problem}
    return {**asdict(row.trial), **figures, **found}


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
