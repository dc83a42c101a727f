"""``latentsep forget``: takes tracks down."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from latentsep.cli import options
from latentsep.cli.json_document import print_json
from latentsep.cli.progress import printable
from latentsep.errors import ConfigError
from latentsep.quantities import size_text

if TYPE_CHECKING:
    from latentsep.catalogue.forget import ForgottenTrack


@click.command()
@click.argument("out", metavar="OUT")
@click.option("--ids", metavar="ID,ID...", help="Ids of the tracks.")
@click.option(
    "--ids-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A text file with one id a line, for many, or for ids with commas.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.OUTPUT
def forget(out: str, ids: str | None, ids_file: Path | None, yes: bool, output: str) -> None:
    """Remove tracks from the catalogue in OUT for ever: their stems and rows.

    OUT/report.html goes as well, since it may hold a few seconds of them; copies of it that lie
    elsewhere stay. `latentsep report OUT` makes a new one.

    A record of it stays in OUT/withdrawn, and later runs leave these tracks out. Interrupted, the
    same command again completes it. Exit codes: 0 done; 2 an id cannot be one, or OUT holds no
    output of a job; 3 a job works on OUT.
    """
    from latentsep.catalogue.forget import forget as take_down
    from latentsep.catalogue.lease import Holder
    from latentsep.catalogue.output import open_output
    from latentsep.storage import StoreSettings

    track_ids = _given_ids(ids, ids_file)
    store = open_output(out, StoreSettings())
    if not yes and not _agreed(len(track_ids), out):
        click.echo("Nothing was removed.", err=True)
        return
    tracks = take_down(store, track_ids, Holder.of_this_process())
    if output == "json":
        print_json(
            {
                "out": out,
                "tracks": [{**asdict(track), "is_unknown": track.is_unknown} for track in tracks],
            }
        )
        return
    for track in tracks:
        click.echo(f"{printable(track.track_id)}: {_told(track)}")


def _given_ids(ids: str | None, ids_file: Path | None) -> list[str]:
    given = ids.split(",") if ids is not None else []
    if ids_file is not None:
        try:
            given += ids_file.read_text("utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{ids_file}: cannot be read as a list of ids: {error}") from error
    track_ids = [text.strip() for text in given if text.strip()]
    if not track_ids:
        raise ConfigError("no ids of tracks were given; give --ids or --ids-file")
    return track_ids


def _agreed(tracks: int, out: str) -> bool:
    if not sys.stdin.isatty():
        raise ConfigError("forget removes stems for ever and cannot ask here; add --yes")
    return click.confirm(f"Remove the stems and rows of {tracks} tracks in {out} for ever?")


def _told(track: "ForgottenTrack") -> str:
    if track.is_unknown:
        return "unknown here; nothing to remove, and later runs leave it out"
    earlier = ", taken down before" if track.was_forgotten else ""
    return (
        f"removed {track.objects} stems ({size_text(track.bytes)}), {track.results} results and "
        f"{track.rejects} rejects{earlier}"
    )
