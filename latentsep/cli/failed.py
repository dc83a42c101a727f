"""``latentsep failed``: which tracks have no stems, and why."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from latentsep.cli import options
from latentsep.cli.json_document import print_json
from latentsep.cli.progress import printable

if TYPE_CHECKING:
    import pyarrow as pa

    from latentsep.catalogue.failed import RejectGroup

STAGES = ("load", "separate", "store", "worker")
ROWS_AHEAD = 1000


@click.command()
@click.argument("out", metavar="OUT")
@click.option("--stage", "stages", type=click.Choice(STAGES), multiple=True, help="Only these.")
@click.option(
    "--error-class", "error_classes", metavar="NAME", multiple=True, help="Only these errors."
)
@click.option(
    "--retryable/--permanent",
    default=None,
    help="Only those that the next run tries again by itself, or only the others.",
)
@click.option(
    "-o",
    "--manifest",
    "manifest_uri",
    metavar="MANIFEST",
    help="Write a manifest of just these tracks: .parquet, .csv or .jsonl.",
)
@click.option("--rows", is_flag=True, help="Show each track.")
@options.OUTPUT
def failed(
    out: str,
    stages: tuple[str, ...],
    error_classes: tuple[str, ...],
    retryable: bool | None,
    manifest_uri: str | None,
    rows: bool,
    output: str,
) -> None:
    """Show why tracks of the catalogue in OUT have no stems.

    For each track that is not finished its latest reject counts, grouped by stage and error.
    """
    from latentsep.catalogue.failed import RejectChoice, as_manifest, grouped
    from latentsep.catalogue.open_rejects import latest_rejects
    from latentsep.catalogue.output import open_output
    from latentsep.storage import StoreSettings

    settings = StoreSettings()
    rejects = latest_rejects(open_output(out, settings))
    chosen = RejectChoice(stages, error_classes, retryable).of(rejects)
    if manifest_uri is not None:
        from latentsep.catalogue.manifest_build import write_manifest

        write_manifest(as_manifest(chosen), manifest_uri, settings)
    groups = grouped(chosen)
    if output == "json":
        document: dict[str, Any] = {
            "out": out,
            "tracks": chosen.num_rows,
            "of": rejects.num_rows,
            "groups": [asdict(group) for group in groups],
            "manifest": manifest_uri,
        }
        if rows:
            document["rows"] = [_plain(row) for row in _rows(chosen)]
        print_json(document)
        return
    _print(chosen, rejects.num_rows, groups, rows=rows)
    if manifest_uri is not None:
        click.echo(f"{printable(manifest_uri)}: manifest of {chosen.num_rows:,} tracks")


def _print(chosen: "pa.Table", of: int, groups: "list[RejectGroup]", *, rows: bool) -> None:
    if rows:
        for row in _rows(chosen):
            click.echo(_row_line(row))
    for group in groups:
        again = "retryable" if group.retryable else "permanent"
        click.echo(f"{group.tracks:,} {group.error_class} in {group.stage}, {again}")
        if not rows:
            for example in group.examples:
                click.echo(f"  {printable(example.track_id)}: {printable(example.message)}")
    all_of = f" of {of:,}" if chosen.num_rows != of else ""
    click.echo(f"{chosen.num_rows:,}{all_of} rejected tracks")


def _rows(table: "pa.Table") -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(ROWS_AHEAD):
        yield from batch.to_pylist()


def _row_line(row: dict[str, Any]) -> str:
    again = "retryable" if row["retryable"] else "permanent"
    kind = f"{row['stage']} {row['error_class']} {again}"
    return f"{printable(row['track_id'])} {kind} {printable(row['message'])}"


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON takes it: times and whatever else a manifest carries become text."""
    return {
        name: value if isinstance(value, str | int | float | bool | None) else str(value)
        for name, value in row.items()
    }
