"""Speeds as a table."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from latentsep.cli.options import model_label
from latentsep.quantities import size_text

if TYPE_CHECKING:
    from latentsep.evaluation.speed import SpeedFigures, SpeedRow

_HEAD = (
    "model", "precision", "batch", "steps", "nfe", "whole", "encode", "condition", "network",
    "decode", "GMAC/s", "whole peak", "net peak", "memory", "vs float32",
)  # fmt: skip
_LEGEND = """\
whole to decode: audio-seconds per second; condition and network for one call of a full batch
GMAC/s: 10^9 multiply-adds of the network, all its calls, for a second of audio
whole peak, net peak: the network's share of the device's peak, in the whole time and in its own
vs float32: energy of the change of the vocals by their energy
"""


def print_speeds(rows: "Iterable[SpeedRow]") -> None:
    """A line for each row as it comes, under a head and a legend."""
    click.echo(_LEGEND)
    click.echo(_line(_HEAD))
    for row in rows:
        trial = row.trial
        if row.figures is None:
            asked = (trial.batch_chunks or "own", trial.steps or "own")
            dials = (model_label(trial.model), trial.precision, *map(str, asked))
            click.echo(f"{_line(dials)}  {row.problem}")
        else:
            cells = _cells(row.figures)
            difference = "-" if row.difference_db is None else f"{row.difference_db:.1f} dB"
            click.echo(_line((model_label(trial.model), trial.precision, *cells, difference)))


def _cells(figures: "SpeedFigures") -> list[str]:
    speeds = (
        figures.whole_x, figures.encode_x, figures.condition_x, figures.network_x, figures.decode_x,
    )  # fmt: skip
    shares = (figures.whole_peak_share, figures.network_peak_share)
    return [
        *(str(count) for count in (figures.batch_chunks, figures.steps, figures.nfe)),
        *(_speed_text(speed) for speed in speeds),
        f"{figures.network_macs_per_s / 1e9:.3g}",
        *(f"{100 * share:.1f} %" for share in shares),
        size_text(figures.peak_memory_bytes),
    ]


def _speed_text(speed: float) -> str:
    return f"{speed:,.0f}" if speed >= 100 else f"{speed:.3g}"


def _line(cells: Iterable[str]) -> str:
    return "  ".join(f"{cell:>10}" for cell in cells)
