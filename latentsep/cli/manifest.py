"""``latentsep manifest``: makes the list of tracks of a catalogue, and checks one."""

import sys
from typing import TYPE_CHECKING, Any

import click

from latentsep.cli import options
from latentsep.cli.counting import Counting
from latentsep.cli.exit_codes import EXIT_CONFIG
from latentsep.cli.json_document import print_json
from latentsep.cli.progress import printable

if TYPE_CHECKING:
    import pyarrow as pa


@click.group()
def manifest() -> None:
    """Make or check the list of tracks of a catalogue."""


@manifest.command()
@click.argument("prefix")
@click.option(
    "-o",
    "--out",
    "manifest_uri",
    required=True,
    metavar="MANIFEST",
    help="File to write: .parquet, .csv or .jsonl.",
)
@options.OUTPUT
def build(prefix: str, manifest_uri: str, output: str) -> None:
    """List all audio files below PREFIX, a folder or s3://bucket/prefix.

    Durations are read from the files' headers; nothing is fetched as a whole. Exit code 2 if a
    name cannot be used: the manifest is written, and no job takes it before the row is gone.
    """
    from latentsep.catalogue.manifest import is_manifest
    from latentsep.catalogue.manifest_build import build_manifest, write_manifest
    from latentsep.catalogue.manifest_check import check_manifest
    from latentsep.storage import StoreSettings

    if not is_manifest(manifest_uri):
        raise click.UsageError("-o MANIFEST must end in .parquet, .csv or .jsonl")
    settings = StoreSettings()
    with Counting() as counting:
        table = build_manifest(
            prefix, settings, lambda done: counting.tell(f"{done:,} audio files looked at")
        )
    write_manifest(table, manifest_uri, settings)
    counts, problems = _counts(table), check_manifest(table)
    if output == "json":
        print_json({"manifest": manifest_uri, **counts, "problems": problems})
    else:
        click.echo(f"{printable(manifest_uri)}: {_told(counts)}")
    for problem in problems:
        click.echo(printable(problem), err=True)
    if problems:
        click.echo(f"{_count(problems)}: rename the files and build again", err=True)
        sys.exit(EXIT_CONFIG)


@manifest.command()
@click.argument("manifest_uri", metavar="MANIFEST")
@options.OUTPUT
def check(manifest_uri: str, output: str) -> None:
    """Print every problem of MANIFEST; exit code 2 if there are any."""
    from latentsep.catalogue.manifest import inspect_manifest
    from latentsep.storage import StoreSettings

    table, problems = inspect_manifest(manifest_uri, StoreSettings())
    counts = {**_counts(table), "columns": table.column_names}
    if output == "json":
        print_json({"manifest": manifest_uri, **counts, "problems": problems})
    else:
        for problem in problems:
            click.echo(printable(problem))
        if not problems:
            click.echo(f"{printable(manifest_uri)}: {_told(counts)}")
            click.echo(f"columns: {printable(', '.join(table.column_names))}")
    if problems:
        click.echo(f"{_count(problems)}; nothing can run before they are gone", err=True)
        sys.exit(EXIT_CONFIG)


def _count(problems: list[str]) -> str:
    return f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"


def _counts(table: "pa.Table") -> dict[str, Any]:
    import pyarrow.compute as pc

    durations = _durations(table)
    counts = {
        "tracks": table.num_rows,
        "audio_s": pc.sum(durations).as_py() or 0.0,
        "unknown_durations": durations.null_count,
    }
    if "bytes" in table.column_names and _is_number(table, "bytes"):
        counts["bytes"] = pc.sum(table.column("bytes")).as_py() or 0
    return counts


def _durations(table: "pa.Table") -> "pa.ChunkedArray":
    """Of a table that has no columns if no row could be read."""
    import pyarrow as pa

    if "duration_s" in table.column_names:
        return table.column("duration_s")
    return pa.chunked_array([], pa.float64())


def _is_number(table: "pa.Table", name: str) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(table.schema.field(name).type))


def _told(counts: dict[str, Any]) -> str:
    unknown = counts["unknown_durations"]
    without = f", {unknown:,} of unknown length" if unknown else ""
    return f"{counts['tracks']:,} tracks, {counts['audio_s'] / 3600:,.1f} hours of audio{without}"
