"""``latentsep separate``: songs to stems without Ray, or a catalogue on it."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from latentsep.cli import catalogue_job, options
from latentsep.cli.exit_codes import EXIT_INTERRUPTED, EXIT_REJECTS
from latentsep.cli.interruptible import interruptible
from latentsep.cli.json_document import print_json
from latentsep.cli.progress import TrackProgress, printable
from latentsep.errors import ConfigError
from latentsep.version import ALGORITHM_VERSION, __version__

if TYPE_CHECKING:
    from latentsep.pipeline.inputs import PlannedTrack
    from latentsep.pipeline.rejects import Reject
    from latentsep.pipeline.store import OutputOptions
    from latentsep.pipeline.track import FileSeparator, TrackResult

DEFAULT_FILENAME = "{model}/{track}/{stem}.{ext}"
ONLY_FILES = frozenset({"filename", "skip_existing", "overwrite"})
"""Parameters that a catalogue does not have."""
MANIFEST_ENDINGS = (
    ".parquet",
    ".pq",
    ".csv",
    ".jsonl",
    ".ndjson",
    ".csv.gz",
    ".jsonl.gz",
    ".ndjson.gz",
)
CODECS = ("flac", "wav", "mp3", "ogg", "opus")


def _codec_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    for codec in reversed(CODECS):
        text = f"Write {codec} files{' (the default)' if codec == CODECS[0] else ''}."
        command = click.option(f"--{codec}", "codec", flag_value=codec, help=text)(command)
    return command


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "-o",
    "--out",
    default="separated",
    show_default=True,
    help="Folder for the stems; s3://BUCKET/PREFIX as well for a catalogue.",
)
@options.MODEL
@options.DEVICE
@options.STEPS
@options.SAMPLER
@options.WARM_START
@click.option(
    "--draws",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Samples whose mean is the result.",
)
@click.option(
    "--segment",
    "segment_s",
    type=click.FloatRange(0, min_open=True),
    help="Length of a chunk in seconds.",
)
@click.option(
    "--overlap",
    type=click.FloatRange(0, 0.9, max_open=True),
    help="Share of a chunk that its neighbours see too.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="Base of all noise.",
)
@options.refinement
@click.option("--threads", type=click.IntRange(1), help="CPU threads; all cores by default.")
@_codec_flags
@click.option("--int24", "bit_depth", flag_value=24, type=int, help="24-bit integers (flac, wav).")
@click.option("--float32", "bit_depth", flag_value=32, type=int, help="32-bit float (wav).")
@click.option(
    "--filename",
    default=DEFAULT_FILENAME,
    show_default=True,
    help="Place below OUT; fields {track} {stem} {ext} {model} {dir}.",
)
@click.option("--skip-existing", is_flag=True, help="Leave out tracks whose stems are all there.")
@click.option("--overwrite", is_flag=True, help="Replace stems that are there.")
@click.option("-v", "--verbose", is_flag=True, help="Show traces of unexpected errors.")
@options.OUTPUT
@catalogue_job.job_options
@click.pass_context
def separate(context: click.Context, /, inputs: tuple[str, ...], out: str, **_: object) -> None:
    """Separate songs, or a whole catalogue, into vocals and accompaniment.

    INPUT is an audio or video file, a folder (searched recursively) or a quoted glob. The stems go
    to OUT/MODEL/TRACK/{vocals,accompaniment}.flac with the source's rate, channels and length.
    Stems that are there already are never replaced unasked: see --skip-existing and --overwrite.

    INPUT may be one catalogue instead: a manifest (.parquet, .csv, .jsonl; also s3://) or an
    s3:// prefix. It is separated on Ray, and a rerun goes on where the last one ended: results in
    OUT/results, what could not be done in OUT/rejects, stems in OUT/stems.

    Exit codes: 0 all done; 1 some songs could not be separated, or a catalogue stopped at a limit;
    2 a setting is wrong and nothing was started; 3 another job works on OUT; 4 a commit is
    impossible or in doubt; 75 interrupted, run again to go on.
    """
    given = _given(context)
    if not any(map(_is_catalogue, inputs)):
        _refuse(given, catalogue_job.NAMES, "only a catalogue has")
        left_out = catalogue_job.NAMES | {"inputs", "out"}
        dials = {name: value for name, value in context.params.items() if name not in left_out}
        separate_files(inputs, Path(out), **dials)
        return
    if len(inputs) > 1:
        raise ConfigError(
            f"{inputs[-1]}: a catalogue is one manifest or one s3:// prefix, nothing beside it"
        )
    _refuse(given, ONLY_FILES, "a catalogue does not have")
    catalogue_job.separate_catalogue(inputs[0], out, given)


def _given(context: click.Context) -> dict[str, Any]:
    """The parameters that the user gave, and did not leave at their default."""
    return {
        name: value
        for name, value in context.params.items()
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }


def separate_files(
    inputs: tuple[str, ...],
    out: Path,
    model: str,
    codec: str | None,
    bit_depth: int | None,
    filename: str,
    skip_existing: bool,
    overwrite: bool,
    threads: int | None,
    output: str,
    verbose: bool,
    **dials: Any,  # noqa: ANN401 - checked by SeparationOptions
) -> None:
    """Separate audio files one after another, in this process."""
    from latentsep.audio.folders import make_writable
    from latentsep.pipeline.inputs import expand_inputs, plan_outputs
    from latentsep.pipeline.store import OutputOptions, remove_stale

    logging.basicConfig(level=logging.DEBUG if verbose else logging.WARNING)
    codec = codec or CODECS[0]
    written = OutputOptions(codec=codec, bit_depth=bit_depth)
    label = options.model_label(model)
    files = expand_inputs(inputs, own=(out, out / label))
    tracks = plan_outputs(files, out, filename, label, codec)
    todo = _choose(tracks, skip_existing=skip_existing, overwrite=overwrite)
    outcomes: list[TrackResult | Reject] = []
    is_interrupted = False
    with interruptible():
        try:
            separator = _separator(model, threads, written, dials)
            make_writable(out)
            remove_stale(out)
            with separator.decoder, TrackProgress(len(todo)) as progress:
                for outcome in _run(separator, todo, progress):
                    outcomes.append(outcome)
                    if output == "text":
                        _print_outcome(outcome, progress)
        except KeyboardInterrupt:
            is_interrupted = True
    summary = _Summary(model, outcomes, len(tracks) - len(todo), len(todo) - len(outcomes))
    _print_json(summary) if output == "json" else _print_text(summary)
    if is_interrupted:
        click.echo("Interrupted; run the same command with --skip-existing to go on.", err=True)
        sys.exit(EXIT_INTERRUPTED)
    if summary.rejects:
        sys.exit(EXIT_REJECTS)


def _is_catalogue(text: str) -> bool:
    return text.lower().endswith(MANIFEST_ENDINGS) or text.lower().startswith("s3://")


def _refuse(given: dict[str, Any], names: frozenset[str], who: str) -> None:
    if wrong := sorted(given.keys() & names):
        shown = ", ".join(f"--{name.replace('_', '-')}" for name in wrong)
        raise ConfigError(f"{shown}: {who} this option")


def _choose(
    tracks: "list[PlannedTrack]", *, skip_existing: bool, overwrite: bool
) -> "list[PlannedTrack]":
    """The tracks to separate; stems of an earlier run are never replaced unasked."""
    # os.path says no where pathlib raises: names that are too long.
    is_there = [all(map(os.path.isfile, track.stems.values())) for track in tracks]
    if any(is_there) and not skip_existing and not overwrite:
        first = tracks[is_there.index(True)].stems["vocals"].parent
        raise ConfigError(
            f"{sum(is_there)} of {len(tracks)} tracks have stems already, the first in {first}; "
            "--skip-existing leaves those tracks out, "
            "--overwrite replaces their stems, whichever songs they came from"
        )
    if not skip_existing:
        return tracks
    return [track for track, done in zip(tracks, is_there, strict=True) if not done]


def _separator(
    model: str, threads: int | None, written: "OutputOptions", dials: dict[str, Any]
) -> "FileSeparator":
    import torch

    from latentsep.audio.decode import Decoder
    from latentsep.pipeline.track import FileSeparator
    from latentsep.separation.separator import Separator

    if threads is not None:
        torch.set_num_threads(threads)
    return FileSeparator(Separator.from_pretrained(model, **dials), Decoder(), written)


def _run(
    separator: "FileSeparator", tracks: "list[PlannedTrack]", progress: TrackProgress
) -> "Iterator[TrackResult | Reject]":
    from latentsep.pipeline.rejects import separate_or_reject

    for track in tracks:
        progress.start(track.source.name)

        def work(track: "PlannedTrack" = track) -> "TrackResult":
            return separator.separate(track, progress.seconds)

        yield separate_or_reject(str(track.source), work)
        progress.finish()


def _print_outcome(outcome: "TrackResult | Reject", progress: TrackProgress) -> None:
    from latentsep.pipeline.rejects import Reject

    if isinstance(outcome, Reject):
        progress.print(f"Error: {printable(outcome.message)}", err=True)
        return
    minutes, seconds = divmod(round(outcome.duration_s), 60)
    folder = Path(outcome.stems["vocals"]).parent
    clipped = outcome.mixture_clipped_samples
    note = f", {clipped} samples clipped" if clipped else ""
    progress.print(
        printable(
            f"{outcome.source} -> {folder}  {minutes}:{seconds:02d} in {outcome.wall_s:.1f} s "
            f"({outcome.realtime_factor:.0f}x real time{note})"
        )
    )


@dataclass(frozen=True)
class _Summary:
    model: str
    outcomes: "list[TrackResult | Reject]"
    skipped: int
    not_reached: int

    @property
    def results(self) -> "list[TrackResult]":
        from latentsep.pipeline.track import TrackResult

        return [outcome for outcome in self.outcomes if isinstance(outcome, TrackResult)]

    @property
    def rejects(self) -> "list[Reject]":
        from latentsep.pipeline.rejects import Reject

        return [outcome for outcome in self.outcomes if isinstance(outcome, Reject)]


def _print_json(summary: _Summary) -> None:
    from latentsep.pipeline.memory import peak_rss_bytes

    document = {
        "model": summary.model,
        "version": __version__,
        "algorithm_version": ALGORITHM_VERSION,
        "tracks": [
            {**asdict(r), "duration_s": r.duration_s, "realtime_factor": r.realtime_factor}
            for r in summary.results
        ],
        "rejects": [asdict(reject) for reject in summary.rejects],
        "skipped": summary.skipped,
        "not_reached": summary.not_reached,
        "peak_rss_bytes": peak_rss_bytes(),
    }
    print_json(document)


def _print_text(summary: _Summary) -> None:
    from latentsep.pipeline.memory import peak_rss_bytes

    audio_s = sum(result.duration_s for result in summary.results)
    wall_s = sum(result.wall_s for result in summary.results)
    speed = f", {audio_s / 60:.1f} min at {audio_s / wall_s:.0f}x real time" if wall_s else ""
    left = f", {summary.not_reached} not reached" if summary.not_reached else ""
    click.echo(
        f"{len(summary.results)} separated, {len(summary.rejects)} failed, "
        f"{summary.skipped} skipped{left}{speed}, peak memory {peak_rss_bytes() / 1e9:.2f} GB"
    )
