"""``latentsep demo``: the main job on a small generated catalogue."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from latentsep.cli import options
from latentsep.cli.catalogue_job import separate_catalogue

if TYPE_CHECKING:
    import pyarrow as pa


@click.command()
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default="demo",
    show_default=True,
    help="Folder for the catalogue and its results.",
)
@options.MODEL
def demo(out: Path, model: str) -> None:
    """Generate a small catalogue, separate it on Ray, and show what came of it.

    Sixteen entries of many formats, one of 20 minutes; three of them are no audio and have to be
    rejected. Run it twice: the second run has nothing left to do.
    """
    from latentsep.audio.folders import make_writable
    from latentsep.evaluation.demo import write_catalogue
    from latentsep.models.folder import find_model

    find_model(model)
    make_writable(out)
    click.echo(f"catalogue: {out / 'catalogue'} (generated, if it is not there yet)")
    manifest = write_catalogue(out / "catalogue")
    results = out / "out"
    separate_catalogue(str(manifest), str(results), {"model": model})
    _show(results)


def _show(out: Path) -> None:
    import pyarrow.parquet as pq

    columns = [
        "track_id", "duration_s", "source_codec", "source_sample_rate_hz", "source_channels",
        "vocal_activity_ratio", "vocals_sdr_db", "vocals_stem_uri",
    ]  # fmt: skip
    results = pq.read_table(out / "results", columns=columns).sort_by("track_id")
    rejects = pq.read_table(out / "rejects", columns=["track_id", "stage", "message"])
    for row in results.to_pylist():
        click.echo(_line(row))
    for row in rejects.sort_by("track_id").to_pylist():
        click.echo(f"{row['track_id']:16} rejected in {row['stage']}: {row['message']}")
    click.echo(_how_to_go_on(out, results))


def _line(row: dict[str, Any]) -> str:
    sdr_db = row["vocals_sdr_db"]
    score = "" if sdr_db is None else f", vocals SDR {sdr_db:.1f} dB"
    channels = {1: "mono", 2: "stereo"}[row["source_channels"]]
    return (
        f"{row['track_id']:16} {row['source_codec']:8} {row['source_sample_rate_hz']:6} Hz "
        f"{channels:6} {row['duration_s']:7.1f} s, singing in "
        f"{row['vocal_activity_ratio']:4.0%}{score}"
    )


def _how_to_go_on(out: Path, results: "pa.Table") -> str:
    listen = results.column("vocals_stem_uri")[0].as_py()
    return f"""
Listen, for example:  {listen}
Query with DuckDB:    SELECT track_id, vocals_loudness_lufs FROM '{out}/results/*.parquet'
or with pandas:       pandas.read_parquet("{out}/results")
See how it stands:    latentsep status {out}
What was rejected:    latentsep failed {out}
Check every stem:     latentsep verify {out}
Run the demo again:   it skips everything."""
