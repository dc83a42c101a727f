"""``latentsep plan``: what a job would do, how long it would take and what it would cost."""

import sys
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import click

from latentsep.cli import options
from latentsep.cli.exit_codes import EXIT_CONFIG
from latentsep.cli.json_document import print_json
from latentsep.cli.progress import printable

if TYPE_CHECKING:
    import pyarrow as pa

    from latentsep.catalogue.plan import CostRates, Estimate, JobPlan
    from latentsep.storage import StoreSettings

UNKNOWN = "unknown"
ASSUMED_STEM_BYTES_PER_AUDIO_S = 200_000
"""Two FLAC stems of 44.1 kHz, 16 bits, stereo; used until the output has results of its own."""


@click.command()
@click.argument("manifest_uri", metavar="MANIFEST")
@click.option("-o", "--out", "out_uri", required=True, metavar="OUT", help="Output of the job.")
@click.option(
    "--realtime-factor",
    type=click.FloatRange(0, min_open=True),
    help="Audio-seconds per second of one worker; that of the last job on OUT by default.",
)
@click.option("--workers", type=click.IntRange(1), help="Workers side by side, one per GPU.")
@click.option("--gpu-hour-price", type=click.FloatRange(0), help="Price of one worker's hour.")
@click.option("--currency", default="USD", show_default=True, help="Of the price; only shown.")
@click.option("--retry-rejected", is_flag=True, help="Try tracks again that were rejected.")
@click.option("--limit", type=click.IntRange(1), help="Do at most so many tracks.")
@options.OUTPUT
def plan(
    manifest_uri: str,
    out_uri: str,
    realtime_factor: float | None,
    workers: int | None,
    gpu_hour_price: float | None,
    currency: str,
    retry_rejected: bool,
    limit: int | None,
    output: str,
) -> None:
    """Show what a job on MANIFEST would do. Starts and writes nothing."""
    from latentsep.catalogue.plan import CostRates

    show_plan(
        manifest_uri,
        out_uri,
        rates=CostRates(gpu_hour_price=gpu_hour_price, currency=currency),
        realtime_factor=realtime_factor,
        workers=workers,
        retry_rejected=retry_rejected,
        limit=limit,
        output=output,
    )


def show_plan(
    manifest_uri: str,
    out_uri: str,
    *,
    settings: "StoreSettings | None" = None,
    rates: "CostRates | None" = None,
    realtime_factor: float | None = None,
    workers: int | None = None,
    retry_rejected: bool = False,
    limit: int | None = None,
    output: str = "text",
) -> None:
    """Print the plan of a job; reads the manifest, the ledger and status.json of the output.

    A manifest with problems ends the process with exit code 2, after all of them are printed.

    Args:
        manifest_uri: a manifest, or a prefix to make one of.
        out_uri: output of the job; need not exist.
        settings: of the stores.
        rates: prices.
        realtime_factor: audio-seconds per second of one worker; by default the last job's.
        workers: that would run side by side.
        retry_rejected: see ``plan_job``.
        limit: see ``plan_job``.
        output: ``text`` or ``json``.

    Raises:
        ManifestError: the manifest cannot be read.
        LedgerError: the ledger cannot be read.
        StoreError: a store cannot be asked.
    """
    from latentsep.catalogue.last_run import last_worker_speed, stem_bytes_per_audio_s
    from latentsep.catalogue.ledger import Ledger
    from latentsep.catalogue.plan import CostRates, estimate, plan_job
    from latentsep.storage import StoreSettings, open_store

    settings, rates = settings or StoreSettings(), rates or CostRates()
    table = _runnable(manifest_uri, settings, output)
    store = open_store(out_uri, settings)
    made = plan_job(table, Ledger(store, "plan").load(), retry_rejected=retry_rejected, limit=limit)
    speed = realtime_factor or last_worker_speed(store)
    size = stem_bytes_per_audio_s(store)
    expected = estimate(made, speed, workers, rates, size or ASSUMED_STEM_BYTES_PER_AUDIO_S)
    source = "given" if realtime_factor else "last job" if speed else UNKNOWN
    if output == "text":
        _print_counts(made)
        _print_estimate(expected, rates, f"{speed:.1f}x real time, {source}" if speed else None)
        if size is None:
            click.echo("output size: assumed, two FLAC stems of 44.1 kHz, 16 bits, stereo")
        return
    about = {"realtime_factor": speed, "realtime_factor_from": source, "workers": workers}
    about["stem_bytes_per_audio_s_from"] = "assumed" if size is None else "results"
    costs = {"estimate": {**asdict(expected), "currency": rates.currency}}
    print_json({"manifest": manifest_uri, "out": out_uri, **_plan_counts(made), **about, **costs})


def _runnable(manifest_uri: str, settings: "StoreSettings", output: str) -> "pa.Table":
    """The manifest; ends the process if it has problems."""
    from latentsep.catalogue.manifest import inspect_manifest, is_manifest
    from latentsep.catalogue.manifest_build import build_manifest
    from latentsep.catalogue.manifest_check import check_manifest

    if is_manifest(manifest_uri):
        table, problems = inspect_manifest(manifest_uri, settings)
    else:
        table = build_manifest(manifest_uri, settings, lambda done: None)
        problems = check_manifest(table)
    if not problems:
        return table
    if output == "json":
        print_json({"manifest": manifest_uri, "problems": problems})
    else:
        for problem in problems:
            click.echo(printable(problem))
    click.echo(f"{len(problems)} problem(s): the job would refuse this manifest", err=True)
    sys.exit(EXIT_CONFIG)


def _plan_counts(made: "JobPlan") -> dict[str, Any]:
    counts = {item.name: getattr(made, item.name) for item in fields(made)}
    return {**counts, "todo": made.todo.num_rows}


def _print_counts(made: "JobPlan") -> None:
    known = f"{made.audio_s / 3600:,.1f} hours of audio"
    unknown = f", {made.unknown_durations:,} of unknown length" if made.unknown_durations else ""
    click.echo(f"tracks:      {made.tracks:,}, {known}{unknown}")
    click.echo(f"finished:    {made.finished:,}")
    for text, count in (
        ("rejected:   ", made.kept_rejects),
        ("taken down: ", made.forgotten),
        ("surplus:    ", made.surplus),
    ):
        note = _NOTES[text.strip()]
        if count:
            click.echo(f"{text} {count:,}, {note}")
    again = f", {made.retried_rejects:,} of them again" if made.retried_rejects else ""
    click.echo(f"to do:       {made.todo.num_rows:,}{again}")


_NOTES = {
    "rejected:": "not tried again without --retry-rejected",
    "taken down:": "never done again",
    "surplus:": "finished, but not in this manifest",
}


def _print_estimate(expected: "Estimate", rates: "CostRates", speed: str | None) -> None:
    def told(value: float | None, text: str) -> str:
        return UNKNOWN if value is None else text.format(value)

    audio_hours = None if expected.audio_s is None else expected.audio_s / 3600
    click.echo(f"audio to do: {told(audio_hours, '{:,.1f} hours')}")
    click.echo(
        f"speed:       {speed or UNKNOWN + '; give --realtime-factor, or run some tracks first'}"
    )
    click.echo(f"GPU-hours:   {told(expected.gpu_hours, '{:,.2f}')}")
    if expected.wall_hours is not None:
        click.echo(f"wall time:   {expected.wall_hours:,.2f} hours")
    if rates.gpu_hour_price is not None:
        click.echo(f"cost:        {told(expected.cost, '{:,.2f}')} {printable(rates.currency)}")
    gigabytes = None if expected.output_bytes is None else expected.output_bytes / 1e9
    click.echo(f"output:      {told(gigabytes, '{:,.1f} GB')}")
