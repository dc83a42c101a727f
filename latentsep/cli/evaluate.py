"""``latentsep evaluate``: scores against true stems, with references beside them."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from latentsep.cli import options
from latentsep.cli.json_document import print_json
from latentsep.cli.progress import TrackProgress, printable
from latentsep.cli.score_table import print_speed, print_summaries
from latentsep.version import __version__

if TYPE_CHECKING:
    from latentsep.evaluation.scoring import ScoreOptions, SongScores
    from latentsep.evaluation.songs import SongSource
    from latentsep.evaluation.systems import Contest, Variant

MIXTURE_TOLERANCE_DB = -50.0
"""A mixture that differs more from the sum of its stems is told of."""


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path), metavar="[FOLDER]...")
@options.MODEL
@options.DEVICE
@options.STEPS
@options.SAMPLER
@options.WARM_START
@click.option("--draws", type=click.IntRange(1), help="Samples whose mean is the result.")
@options.refinement
@click.option(
    "--variant",
    "variants",
    multiple=True,
    metavar="NAME=VALUE,...",
    help='Score the model so, e.g. "steps=8,refinement=off"; repeat it for more rows. Names are '
    "those of SeparationOptions, and model. The options above hold for what is not named.",
)
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    help="Folder of a mask U-Net trained with configs/train/mask_unet.yaml.",
)
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
@click.option(
    "--generator",
    type=click.Choice(["plain", "rich"]),
    default="plain",
    show_default=True,
    help="rich: sampled instruments and speech; needs the extra synth.",
)
@click.option(
    "--excerpt",
    "excerpt_s",
    type=click.IntRange(0),
    default=30,
    show_default=True,
    help="Seconds of each song that BSSEval hears; 0 for whole songs.",
)
@click.option(
    "--bsseval",
    type=click.Choice(["fast", "museval"]),
    default="fast",
    show_default=True,
    help="museval: let museval itself measure it, slowly.",
)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option(
    "--scores",
    "score_file",
    type=click.Path(path_type=Path),
    help="Write the scores of every song to this .csv or .parquet file.",
)
@options.OUTPUT
def evaluate(
    folders: tuple[Path, ...],
    model: str,
    device: str,
    variants: tuple[str, ...],
    baseline: Path | None,
    generated: int,
    length_s: float,
    generator: str,
    excerpt_s: int,
    bsseval: str,
    jobs: int,
    score_file: Path | None,
    output: str,
    **dials: object,
) -> None:
    """Score a model on songs with true stems, beside what else there is.

    FOLDER is a song (vocals.* and other stems beside it, mixture.* if there is one), or holds
    songs, or is the whole of MUSDB-HQ, whose test songs are then scored.

    Scores are medians over songs: BSSEval version 4 as museval defines it, of 1-s frames of an
    excerpt; SDR and SI-SDR of whole songs without any filter; MR-STFT distance; and what is heard
    where the true vocals are silent. docs/evaluation.md says how to read them.
    """
    from latentsep.evaluation.score_file import check_score_file, write_scores
    from latentsep.evaluation.scoring import ScoreOptions
    from latentsep.evaluation.songs import GeneratedSong, find_songs
    from latentsep.evaluation.systems import Contest
    from latentsep.evaluation.variants import parse_variants

    made = [GeneratedSong(number, length_s, generator) for number in range(generated)]
    found = [song for folder in folders for song in find_songs(folder)]
    sources: list[SongSource] = [*found, *made]
    if not sources:
        raise click.UsageError("nothing to score: give a FOLDER of songs, or --generated N")
    if score_file is not None:
        check_score_file(score_file)
    given = {name: value for name, value in dials.items() if value is not None}
    chosen = parse_variants(variants or [""], model, {"device": device, **given})
    contest = Contest(chosen, baseline, device)
    how = ScoreOptions(excerpt_s or None, bsseval)
    songs, factors = _score(sources, contest, how, jobs)
    if score_file is not None:
        write_scores(score_file, songs)
    _tell(songs, factors, how, chosen if output == "json" else None)


def _score(
    sources: "Sequence[SongSource]", contest: "Contest", how: "ScoreOptions", jobs: int
) -> "tuple[list[SongScores], dict[str, float]]":
    """Time the systems in this process alone, then score all songs."""
    from latentsep.evaluation.parallel import score_in_processes
    from latentsep.evaluation.scoring import realtime_factors, score_songs
    from latentsep.evaluation.systems import mixture_as_it_is

    with TrackProgress(len(sources)) as progress:
        progress.start(sources[0].name)
        systems = contest.systems()
        timed = {name: one for name, one in systems.items() if one is not mixture_as_it_is}
        factors = realtime_factors(sources[0].load(), timed)
        scored = (
            score_songs(sources, systems, how)
            if jobs == 1
            else score_in_processes(sources, contest, how, jobs)
        )
        songs: list[SongScores] = []
        for song in scored:
            songs.append(song)
            progress.finish()
            if len(songs) < len(sources):
                progress.start(sources[len(songs)].name)
            error_db = song.mixture_error_db
            if error_db is not None and error_db > MIXTURE_TOLERANCE_DB:
                progress.print(
                    f"{printable(song.song)}: its mixture is not the sum of its stems, they differ "
                    f"by {error_db:.1f} dB of the mixture's level",
                    err=True,
                )
    return songs, factors


def _tell(
    songs: "list[SongScores]",
    factors: dict[str, float],
    how: "ScoreOptions",
    documented: "list[Variant] | None",
) -> None:
    """Tables, or a document that says of which models it is."""
    import torch

    from latentsep.evaluation.summary import summarise

    threads = torch.get_num_threads()
    summaries = summarise(songs, factors)
    if documented is None:
        part = "whole songs" if how.excerpt_s is None else f"excerpts of {how.excerpt_s} s"
        print_summaries(summaries, len(songs), f"BSSEval v4, 1-s frames of {part}")
        print_speed(summaries, threads)
        return
    document = {
        "version": __version__,
        "options": asdict(how),
        "threads": threads,
        "models": [_described(variant) for variant in documented],
        "songs": [row for song in songs for row in song.rows()],
        "medians": [asdict(summary) for summary in summaries],
    }
    print_json(document)


def _described(variant: "Variant") -> dict[str, object]:
    """Which weights a row of the table is of, and how they were run."""
    from latentsep.models.folder import find_model, read_model_file

    described = read_model_file(find_model(variant.model))
    options = variant.options.model_dump(mode="json", exclude_defaults=True)
    return {
        "system": variant.label,
        "sha256": described.weights.sha256,
        "steps": variant.options.steps or described.model.sampling.steps,
        "options": options,
    }
