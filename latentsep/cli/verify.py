"""``latentsep verify``: are the stems of a catalogue there, and what its rows say they are?"""

import random
import sys
from contextlib import nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from latentsep.cli import options
from latentsep.cli.counting import Counting
from latentsep.cli.exit_codes import EXIT_REJECTS
from latentsep.cli.json_document import print_json
from latentsep.cli.progress import printable
from latentsep.quantities import size_text

if TYPE_CHECKING:
    from latentsep.catalogue.verify import VerifyReport


@click.command()
@click.argument("out", metavar="OUT")
@click.option(
    "--sha256/--no-sha256",
    "content",
    default=True,
    help="Read every stem and compare its digest and header; otherwise a listing is enough.",
)
@click.option(
    "--sample", type=click.IntRange(1), metavar="N", help="Read the stems of N random tracks only."
)
@click.option(
    "--clean", is_flag=True, help="Remove stems of interrupted attempts, which no row names."
)
@options.OUTPUT
def verify(out: str, content: bool, sample: int | None, clean: bool, output: str) -> None:
    """Compare the rows of the catalogue in OUT with the stems.

    Exit codes: 0 all is well; 1 something is wrong; 2 OUT holds no output of a job; 3 --clean, and
    a job works on OUT.
    """
    from latentsep.catalogue.lease import Holder, Lease
    from latentsep.catalogue.output import open_output
    from latentsep.catalogue.verify import VerifyOptions
    from latentsep.catalogue.verify import verify as compare
    from latentsep.storage import StoreSettings

    store = open_output(out, StoreSettings())
    holding = Lease.acquire(store, Holder.of_this_process()) if clean else nullcontext(None)
    with holding as lease, Counting() as counting:
        chosen = VerifyOptions(
            content=content,
            sample=sample,
            clean=clean,
            may_go_on=lambda: lease is None or not lease.lost.is_set(),
        )
        report = compare(
            store,
            chosen,
            random.Random(),
            lambda done, of: counting.tell(f"{done:,} of {of:,} tracks compared"),
        )
        is_lost = lease is not None and lease.lost.is_set()
    if output == "json":
        print_json({"out": out, **_document(report)})
    else:
        _print(report, clean=clean)
    if is_lost:
        click.echo("The lease was lost: another job may work on OUT; the rest was kept.", err=True)
    if report.problems.counts or is_lost:
        sys.exit(EXIT_REJECTS)


def _document(report: "VerifyReport") -> dict[str, Any]:
    return {
        "rows": report.rows,
        "rows_read": report.rows_read,
        "problems": dict(report.problems.counts),
        "first_problems": [asdict(problem) for problem in report.problems.first],
        "orphans": asdict(report.orphans),
        "removed": asdict(report.removed),
        "foreign": asdict(report.foreign),
    }


def _removed_text(report: "VerifyReport", *, clean: bool) -> str:
    if not clean:
        return "--clean removes them while no job runs"
    if report.removed == report.orphans:
        return "removed"
    return f"{report.removed.objects:,} removed; tracks whose rows lack something keep theirs"


def _print(report: "VerifyReport", *, clean: bool) -> None:
    problems = report.problems
    for problem in problems.first:
        who = f"{printable(problem.track_id)}: " if problem.track_id else ""
        click.echo(f"{problem.kind}: {who}{printable(problem.text)}")
    total = sum(problems.counts.values())
    if total > len(problems.first):
        click.echo(f"and {total - len(problems.first):,} more")
    click.echo(f"{report.rows:,} tracks, the stems of {report.rows_read:,} read")
    if report.orphans.objects:
        click.echo(
            f"{report.orphans.objects:,} stems of interrupted attempts, "
            f"{size_text(report.orphans.bytes)}: {_removed_text(report, clean=clean)}"
        )
    if report.foreign.objects:
        click.echo(f"{report.foreign.objects:,} objects below stems/ that no job wrote: kept")
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in problems.counts.most_common())
    click.echo(f"{total:,} problems: {kinds}" if total else "no problems")
