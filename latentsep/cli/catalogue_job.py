"""The catalogue side of ``latentsep separate``: its options, its progress, its last words."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from latentsep.cli.exit_codes import EXIT_INTERRUPTED, EXIT_REJECTS
from latentsep.cli.json_document import print_json
from latentsep.cli.leaving import leave
from latentsep.cli.progress import LINE_EVERY_S, printable
from latentsep.quantities import time_text

if TYPE_CHECKING:
    from latentsep.pipeline.job import JobReport, JobRequest
    from latentsep.pipeline.job_status import JobProgress

OPTIONS: tuple[Callable[..., Any], ...] = (
    click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        help="YAML with settings of the job; options given here win.",
    ),
    click.option("--address", help="Ray cluster, auto or HOST:PORT; else this machine alone."),
    click.option("--workers", type=click.IntRange(1), help="Separator workers; one per GPU."),
    click.option("--limit", type=click.IntRange(1), help="Do at most so many tracks."),
    click.option("--dry-run", is_flag=True, help="Show the plan, do nothing."),
    click.option("--retry-rejected", is_flag=True, help="Try tracks again that were rejected."),
    click.option(
        "--recheck-sources", is_flag=True, help="Redo tracks whose source is another one now."
    ),
    click.option("--max-hours", type=click.FloatRange(0, min_open=True), help="Stop after this."),
    click.option("--max-cost", type=click.FloatRange(0), help="Stop at this cost."),
    click.option(
        "--max-reject-share",
        type=click.FloatRange(0, 1),
        help="Stop when more of the tracks tried are rejected; 0.5 by default.",
    ),
)
NAMES = frozenset(
    {
        "config", "address", "workers", "limit", "dry_run", "retry_rejected", "recheck_sources",
        "max_hours", "max_cost", "max_reject_share",
    }
)  # fmt: skip
"""Parameters that only a catalogue has."""


def job_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of the catalogue job."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def separate_catalogue(manifest_uri: str, out_uri: str, given: dict[str, Any]) -> None:
    """Run the job, or show its plan; ends the process with the job's exit code.

    Args:
        manifest_uri: manifest or prefix.
        out_uri: folder or prefix of the results.
        given: parameters of the command that the user gave, by name.
    """
    request = _request(manifest_uri, out_uri, given)
    if given.get("dry_run"):
        _show_plan(request, given.get("output", "text"))
        return
    from latentsep.pipeline.job import run_job
    from latentsep.pipeline.stop import StopRequest

    report = run_job(request, StopRequest(), _Teller())
    over_limit = _over_limit(request, report)
    if given.get("output") == "json":
        print_json(report.progress.document(report.state, report.reason))
    else:
        _print(request, report, over_limit)
    if report.state == "interrupted":
        leave(EXIT_INTERRUPTED)
    if report.state != "done" or over_limit:
        leave(EXIT_REJECTS)


def _request(manifest_uri: str, out_uri: str, given: dict[str, Any]) -> "JobRequest":
    from latentsep.pipeline.job import JobRequest
    from latentsep.pipeline.job_config import override, read_job_config

    return JobRequest(
        manifest_uri=manifest_uri,
        out_uri=out_uri,
        config=override(read_job_config(given.get("config")), given),
        address=given.get("address"),
        limit=given.get("limit"),
        retry_rejected=given.get("retry_rejected", False),
        recheck_sources=given.get("recheck_sources", False),
    )


def _show_plan(request: "JobRequest", output: str) -> None:
    from latentsep.cli.plan import show_plan

    show_plan(
        request.manifest_uri,
        request.out_uri,
        settings=request.config.storage,
        rates=request.config.rates,
        workers=request.config.workers.count,
        retry_rejected=request.retry_rejected,
        limit=request.limit,
        output=output,
    )


def _over_limit(request: "JobRequest", report: "JobReport") -> str | None:
    from latentsep.pipeline.limits import rejects_over_limit

    return rejects_over_limit(request.config, report.progress)


class _Teller:
    """Progress on stderr: one line written over on a terminal, a line a minute elsewhere."""

    def __init__(self) -> None:
        self._every_s = 1.0 if sys.stderr.isatty() else LINE_EVERY_S
        self._told_at_s = time.monotonic()

    def __call__(self, progress: "JobProgress") -> None:
        now_s = time.monotonic()
        if now_s - self._told_at_s >= self._every_s:
            self._told_at_s = now_s
            line, terminal = progress_line(progress), sys.stderr.isatty()
            click.echo(f"\r\033[K{line}" if terminal else line, err=True, nl=not terminal)


def progress_line(progress: "JobProgress") -> str:
    """One line that says how far a job is."""
    factor, eta_s = progress.realtime_factor, progress.eta_s
    speed = f", {factor:.1f}x real time" if factor else ""
    left = f", {time_text(eta_s)} to go" if eta_s is not None else ""
    return (
        f"{progress.tried} of {progress.plan.todo.num_rows} tracks, {progress.rejected} rejected, "
        f"{progress.audio_done_s / 3600:.2f} h of audio{speed}{left}"
    )


def _print(request: "JobRequest", report: "JobReport", over_limit: str | None) -> None:
    progress, plan = report.progress, report.progress.plan
    factor = f" at {progress.realtime_factor:.1f}x real time" if progress.realtime_factor else ""
    click.echo(
        f"{progress.finished} separated, {progress.rejected} rejected, {plan.finished} finished "
        f"before, {plan.kept_rejects} rejected before; {progress.audio_done_s / 3600:.2f} h of "
        f"audio{factor} in {time_text(progress.elapsed_s)}"
    )
    for (stage, error_class), count in progress.reasons.most_common():
        click.echo(f"  rejected in {stage}: {count} {error_class}")
    if progress.rejected or plan.kept_rejects:
        click.echo(f"why: latentsep failed {printable(request.out_uri)}")
    if reason := report.reason or over_limit:
        click.echo(f"{report.state}: {reason}", err=True)
    if report.state != "done":
        click.echo("What was finished is committed; run the same command again to go on.", err=True)
