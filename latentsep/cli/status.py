"""``latentsep status``: how far an output is, also while a job works on it."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from latentsep.cli import options
from latentsep.cli.counting import Counting
from latentsep.cli.json_document import print_json
from latentsep.cli.progress import printable
from latentsep.quantities import audio_text, size_text, time_text

if TYPE_CHECKING:
    from latentsep.catalogue.recheck import ChangedSource
    from latentsep.catalogue.status import OutputStatus
    from latentsep.storage import Store, StoreSettings


@click.command()
@click.argument("out", metavar="OUT")
@click.option(
    "--check-sources",
    is_flag=True,
    help="Ask for each finished track whether its source is still the same; one request each.",
)
@options.OUTPUT
def status(out: str, check_sources: bool, output: str) -> None:
    """Show how far the catalogue in OUT is, a folder or s3://bucket/prefix.

    Counted from the ledger alone, so it works while a job runs, and on any machine that can read
    OUT. Exit code 2 if OUT holds no output of a job.
    """
    from latentsep.catalogue.output import open_output
    from latentsep.catalogue.status import read_output_status
    from latentsep.storage import StoreSettings

    settings = StoreSettings()
    store = open_output(out, settings)
    seen = read_output_status(store)
    if output == "json":
        document = _document(out, seen)
        if check_sources:
            changed = _changed_sources(store, settings)
            document["changed_sources"] = [asdict(source) for source in changed]
        print_json(document)
        return
    for line in _lines(out, seen):
        click.echo(line)
    if check_sources:
        _print_changed(_changed_sources(store, settings))


def _document(out: str, seen: "OutputStatus") -> dict[str, Any]:
    file = seen.job.file
    rate = seen.rate
    return {
        "out": out,
        "state": seen.job.state,
        "holder": seen.job.holder,
        "reason": file.reason if file else None,
        "updated_at": _time(file.updated_at if file else None),
        "run_id": seen.run_id,
        "model": seen.identity.get("model"),
        "model_sha256": seen.identity.get("model_sha256"),
        "manifest": file.manifest if file else None,
        "tracks": file.tracks if file else None,
        "audio_s": file.audio_s if file else None,
        "finished": seen.finished.tracks,
        "audio_done_s": seen.finished.audio_s,
        "stem_bytes": seen.finished.stem_bytes,
        "rejected": seen.rejected,
        "retryable": seen.retryable,
        "rejects": [
            {name: value for name, value in asdict(group).items() if name != "examples"}
            for group in seen.rejects
        ],
        "forgotten": seen.forgotten,
        "rate": {**asdict(rate), "realtime_factor": rate.realtime_factor} if rate else None,
    }


def _time(time: Any) -> str | None:  # noqa: ANN401 - a datetime, whose module nothing else needs
    return time.isoformat() if time is not None else None


def _lines(out: str, seen: "OutputStatus") -> Iterator[str]:
    yield f"{printable(out)}: {_state_text(seen)}"
    if seen.run_id:
        yield f"run:       {seen.run_id}, model {printable(str(seen.identity.get('model')))}"
    file = seen.job.file
    if file and file.tracks is not None:
        audio = f", {audio_text(file.audio_s)}" if file.audio_s is not None else ""
        yield f"manifest:  {printable(str(file.manifest))}: {file.tracks:,} tracks{audio}"
    done = seen.finished
    yield (
        f"finished:  {done.tracks:,} tracks{_share(seen)}, {audio_text(done.audio_s)}, "
        f"{size_text(done.stem_bytes)} of stems"
    )
    yield f"rejected:  {seen.rejected:,} tracks{_retry_text(seen)}"
    for group in seen.rejects:
        again = "retryable" if group.retryable else "permanent"
        yield f"  {group.tracks:,} {group.error_class} in {group.stage}, {again}"
    if seen.forgotten:
        yield f"forgotten: {seen.forgotten:,} tracks"
    yield from _rate_lines(seen)


def _state_text(seen: "OutputStatus") -> str:
    job = seen.job
    reason = f": {printable(job.file.reason)}" if job.file and job.file.reason else ""
    holder = printable(job.holder) if job.holder else ""
    if job.state == "running":
        return f"running on {holder}" if holder else "running, without a lease"
    if job.state == "held":
        return f"held by another command on {holder}"
    if job.state == "stale":
        who = f" on {holder}" if holder else ""
        return f"stale: the job{who} ended without a word; run it again to go on"
    return f"{job.state}{reason}"


def _share(seen: "OutputStatus") -> str:
    file = seen.job.file
    if file is None or not file.tracks:
        return ""
    return f" ({seen.finished.tracks / file.tracks:.1%} of {file.tracks:,})"


def _retry_text(seen: "OutputStatus") -> str:
    if not seen.rejected:
        return ""
    return f", {seen.retryable:,} of them tried again by the next run"


def _rate_lines(seen: "OutputStatus") -> Iterator[str]:
    if seen.rate is None:
        return
    yield (
        f"rate:      {seen.rate.realtime_factor:,.1f}x real time over the last "
        f"{time_text(seen.rate.window_s)} ({seen.rate.tracks:,} tracks)"
    )
    if seen.rate.eta_s is not None:
        yield f"to go:     {time_text(seen.rate.eta_s)}"


def _changed_sources(store: "Store", settings: "StoreSettings") -> Iterator["ChangedSource"]:
    """Sources that are no longer what was separated, part of the ledger after part."""
    from latentsep.catalogue.ledger import read_results
    from latentsep.catalogue.recheck import changed_sources

    asked = 0
    with Counting() as counting:
        for part in read_results(store, ["track_id", "uri", "source_etag"]):
            before = asked

            def tell(done: int, before: int = before) -> None:
                counting.tell(f"{before + done:,} sources asked for")

            for source in changed_sources(part, settings, tell):
                counting.clear()
                yield source
            asked += part.num_rows


def _print_changed(sources: Iterator["ChangedSource"]) -> None:
    missing = changed = 0
    for source in sources:
        missing += source.is_missing
        changed += not source.is_missing
        what = "missing" if source.is_missing else "touched or changed"
        click.echo(f"{what}: {printable(source.track_id)} {printable(source.uri)}")
    click.echo(
        f"sources:   {changed:,} touched or changed, which --recheck-sources does again; "
        f"{missing:,} missing"
    )
