"""``latentsep evaluate``: scores against true stems, with references beside them."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from latentsep.cli import options
from latentsep.cli.json_document import print_json

if TYPE_CHECKING:
    from latentsep.evaluation.scoring import Score, Summary
    from latentsep.training.song_folder import ReferenceSong


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path), metavar="[FOLDER]...")
@options.MODEL
@options.DEVICE
@options.STEPS
@click.option(
    "--generated",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Add so many generated songs that no training has seen.",
)
@click.option(
    "--generated-length",
    "length_s",
    type=click.FloatRange(5, 600),
    default=40.0,
    show_default=True,
    help="Their length in seconds.",
)
@options.OUTPUT
def evaluate(
    folders: tuple[Path, ...],
    model: str,
    device: str,
    steps: int | None,
    generated: int,
    length_s: float,
    output: str,
) -> None:
    """Score a model on songs with true stems.

    FOLDER is a song (vocals.* and other stems beside it) or holds songs, as MUSDB-HQ does. Scores
    are utterance SDR and SI-SDR in dB: global over a song, no filter fitted, median over songs.
    They are not BSSEval v4.
    """
    from latentsep.evaluation.scoring import (
        codec_ceiling,
        model_system,
        reference_systems,
        score,
        summarise,
    )
    from latentsep.separation.separator import Separator

    if not folders and not generated:
        raise click.UsageError("nothing to score: give a FOLDER of songs, or --generated N")
    separator = Separator.from_pretrained(model, device=device, steps=steps)
    systems = {
        **reference_systems(),
        "codec alone": codec_ceiling(separator.model),
        options.model_label(model): model_system(separator),
    }
    rows = []
    for row in score(_songs(folders, generated, length_s), systems):
        rows.append(row)
        if output == "text":
            _print_row(row.song, row)
    summaries = summarise(rows)
    if output == "json":
        tables = {"songs": [asdict(r) for r in rows], "medians": [asdict(s) for s in summaries]}
        print_json(tables)
        return
    for summary in summaries:
        _print_row(f"median of {summary.songs - summary.undefined} songs", summary)


def _songs(folders: tuple[Path, ...], generated: int, length_s: float) -> "Iterator[ReferenceSong]":
    from latentsep.audio.decode import Decoder
    from latentsep.evaluation.songs import generated_songs
    from latentsep.training.song_folder import read_song, song_folders

    paths = [song for folder in folders for song in song_folders(folder)]
    with Decoder() as decoder:
        for path in paths:
            yield read_song(path, decoder)
    yield from generated_songs(generated, length_s)


def _print_row(name: str, row: "Score | Summary") -> None:
    def number(value: float | None) -> str:
        return "     -" if value is None else f"{value:6.2f}"

    click.echo(
        f"{name:20.20} {row.system:12.12} vocals SDR {number(row.vocals_sdr_db)} "
        f"SI-SDR {number(row.vocals_si_sdr_db)}  accompaniment SDR "
        f"{number(row.accompaniment_sdr_db)}  {row.realtime_factor:7.1f}x real time"
    )
