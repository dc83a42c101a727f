"""Progress on a terminal as a bar, elsewhere as a line a minute."""

import sys
import time
from types import TracebackType
from typing import Self

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

LINE_EVERY_S = 60.0


def printable(text: str) -> str:
    """One line that no terminal acts upon: file names hold line ends, escapes, stray bytes."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


class TrackProgress:
    """Shows the tracks done and the place in the present one, on stderr."""

    def __init__(self, tracks: int) -> None:
        self._tracks = tracks
        self._done = 0
        self._name = ""
        self._told_at_s = time.monotonic()
        self._bar: RichProgress | None = None
        if sys.stderr.isatty():
            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
            )
            self._bar = RichProgress(
                *columns,
                console=Console(stderr=True),
                transient=True,
                # Standard output may be a file while the bar is on a terminal.
                redirect_stdout=False,
            )
            self._task = self._bar.add_task("", total=tracks)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def start(self, name: str) -> None:
        """A track begins."""
        self._name = printable(name)
        self.seconds(0.0, None)

    def seconds(self, done_s: float, duration_s: float | None) -> None:
        """So much of the present track is written."""
        share = min(1.0, done_s / duration_s) if duration_s else 0.0
        text = f"{self._name} {share:.0%}" if duration_s else f"{self._name} {done_s:.0f} s"
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done + share, description=text)
        elif time.monotonic() - self._told_at_s > LINE_EVERY_S:
            self._told_at_s = time.monotonic()
            click.echo(f"{self._done} of {self._tracks} tracks done, now {text}", err=True)

    def finish(self) -> None:
        """The present track is over."""
        self._done += 1
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done)

    def print(self, line: str, *, err: bool = False) -> None:
        """A line on stdout, or stderr, that does not break the bar."""
        if self._bar is not None and (err or sys.stdout.isatty()):
            self._bar.console.print(
                line, markup=False, highlight=False, emoji=False, soft_wrap=True
            )
        else:
            click.echo(line, err=err)
