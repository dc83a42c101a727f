"""``latentsep report``: a page about an output, as a file or live."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from latentsep.cli.progress import printable
from latentsep.errors import ConfigError

if TYPE_CHECKING:
    from latentsep.report.document import Report
    from latentsep.report.read import ReportReader

PORT = 8780
LIVE_EXCERPTS_S = 10.0
"""Excerpts that take longer come with a later reading: meanwhile the progress is shown."""


@click.command()
@click.argument("out", metavar="OUT")
@click.option(
    "-o",
    "--file",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where the page goes; by default report.html in OUT, or here where OUT is in S3.",
)
@click.option("--against", metavar="OUT2", help="Compare with an earlier output.")
@click.option("--serve", is_flag=True, help="Serve the page on this machine, live, until Ctrl-C.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=PORT,
    show_default=True,
    help="For --serve; 0 takes a free one.",
)
@click.option("--no-excerpts", is_flag=True, help="Read no stems: no spectrograms, no sound.")
def report(
    out: str, file: Path | None, against: str | None, serve: bool, port: int, no_excerpts: bool
) -> None:
    """Make one HTML page of the catalogue in OUT: how far, how fast, how good, how it sounds.

    Everything is inside the file: keep it, send it, open it offline. Works while a job runs.
    """
    from latentsep.catalogue.output import REPORT_KEY, open_output
    from latentsep.report.publish import publish
    from latentsep.report.read import ReportReader
    from latentsep.storage import StoreSettings
    from latentsep.storage.uris import is_local, local_path

    if serve and file is not None:
        raise ConfigError("--serve writes no file: leave out either --serve or -o/--file")
    settings = StoreSettings()
    store = open_output(out, settings)
    reader = ReportReader(store, settings, out=out, against=against)
    if serve:
        _serve(reader, out, port, excerpts=not no_excerpts)
        return
    made = reader.read(excerpts=not no_excerpts)
    own = local_path(out) / REPORT_KEY if is_local(out) else None
    if own is not None and (file or own).resolve() == own.resolve():
        click.echo(f"{printable(publish(store, made))}: written")
    else:
        _write(made, file or Path(REPORT_KEY))


def _write(made: "Report", file: Path) -> None:
    from latentsep.report.page import page_html

    beside = file.with_name(f".{file.name}.part")
    try:
        beside.write_text(page_html(made), "utf-8")
        beside.replace(file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ConfigError(
            f"{file}: the report cannot be written: {error}; give another place with -o/--file"
        ) from error
    click.echo(f"{printable(str(file))}: written")


def _serve(reader: "ReportReader", out: str, port: int, *, excerpts: bool) -> None:
    from latentsep.report.live import LivePage
    from latentsep.report.server import ReportServer

    readings = [partial(reader.read, excerpts=False)]
    if excerpts:
        readings.append(partial(reader.read, excerpts=True, longest_s=LIVE_EXCERPTS_S))
    page = LivePage(readings, out)
    with ReportServer(page, port) as server, page:
        click.echo(f"{server.url} shows {printable(out)}; Ctrl-C ends it")
        server.serve_forever()
