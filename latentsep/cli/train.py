"""``latentsep train``: a training file to a model folder."""

import logging
import sys
from pathlib import Path

import click


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option(
    "--data",
    "data_folder",
    type=click.Path(path_type=Path),
    default=Path(),
    show_default=True,
    help="Folder of recorded stems; paths in CONFIG are relative to it.",
)
@click.option(
    "--run",
    "run_folder",
    type=click.Path(path_type=Path),
    required=True,
    help="Checkpoints, curve and generated songs; run again to go on from there.",
)
@click.option(
    "-o",
    "--out",
    "model_folder",
    type=click.Path(path_type=Path),
    required=True,
    help="Where the finished model folder goes.",
)
def train(config: Path, data_folder: Path, run_folder: Path, model_folder: Path) -> None:
    """Train the model that CONFIG (see configs/train) describes."""
    from latentsep.training.run import read_train_config
    from latentsep.training.run import train as run_training

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    run_training(read_train_config(config), data_folder, run_folder, model_folder)
    click.echo(str(model_folder))
