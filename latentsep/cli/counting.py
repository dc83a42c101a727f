"""A count on stderr: one line written over on a terminal, a line a minute elsewhere."""

import sys
import time
from collections.abc import Callable
from typing import Self

import click

from latentsep.cli.progress import LINE_EVERY_S

REDRAW_EVERY_S = 0.5


class Counting:
    """Tells how far something is.

    Args:
        now_s: clock.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._is_terminal = sys.stderr.isatty()
        self._every_s = REDRAW_EVERY_S if self._is_terminal else LINE_EVERY_S
        self._told_at_s = now_s()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def tell(self, line: str) -> None:
        """Show the line, unless the last one was just shown."""
        if self._now_s() - self._told_at_s < self._every_s:
            return
        self._told_at_s = self._now_s()
        if self._is_terminal:
            click.echo(f"\r\033[K{line}", err=True, nl=False)
        else:
            click.echo(line, err=True)

    def clear(self) -> None:
        """Make room for other output on a terminal."""
        if self._is_terminal:
            click.echo("\r\033[K", err=True, nl=False)
