"""Checks of songs as a table."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from latentsep.cli.progress import printable

if TYPE_CHECKING:
    from latentsep.evaluation.song_check import SongCheck

_HEAD = ("seconds", "finite", "borders", "flux", "elsewhere", "in silence", "")
_LEGEND = """\
flux: at borders of chunks and windows, over that at the same places of the song without a border
elsewhere: at these borders over that at other places; scatters by several % where borders are few
in silence: level of the vocals where the true ones are silent, by that of the true ones elsewhere
"""


def print_checks(checks: "Iterable[SongCheck]", names: Sequence[str]) -> "list[SongCheck]":
    """A line for each song as it comes, under a head and a legend; the checks.

    Args:
        checks: in the order of the names.
        names: of the songs, at least one.
    """
    width = max(len(printable(name)) for name in names)
    click.echo(_LEGEND)
    click.echo(_line("", _HEAD, width))
    told = []
    for check in checks:
        click.echo(_line(printable(check.song), _cells(check), width))
        told.append(check)
    return told


def _cells(check: "SongCheck") -> tuple[str, ...]:
    return (
        f"{check.duration_s:.0f}",
        "yes" if check.finite else "NO",
        str(check.borders),
        _text(check.flux_percent, "{:+.2f} %"),
        _text(check.elsewhere_percent, "{:+.1f} %"),
        _text(check.in_silence_db, "{:.1f} dB"),
        "" if check.passed else "WRONG",
    )


def _line(name: str, cells: Iterable[str], width: int) -> str:
    return (f"{name:{width}}" + "".join(f"  {cell:>10}" for cell in cells)).rstrip()


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
