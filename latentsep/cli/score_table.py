"""Medians of scores as text."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from latentsep.evaluation.summary import Summary

_CELL = 22
_BSS = {"SDR": "sdr_db", "ISR": "isr_db", "SIR": "sir_db", "SAR": "sar_db"}
_WHOLE = {"SDR": "sdr_db", "SI-SDR": "si_sdr_db", "MR-STFT": "mr_stft"}


def print_summaries(summaries: "Sequence[Summary]", songs: int, bss_title: str) -> None:
    """Tables of BSSEval and of whole songs for vocals and accompaniment.

    Args:
        summaries: one for each system, at least one.
        songs: how many were scored.
        bss_title: what BSSEval was measured on.
    """
    from latentsep.evaluation.summary import median_text

    width = max(len(summary.system) for summary in summaries)
    click.echo(f"Medians of {songs} songs [95 % interval]; in dB, but MR-STFT.")
    for stem in ("vocals", "accompaniment"):
        bss = {title: f"{stem}_bss_{metric}" for title, metric in _BSS.items()}
        whole = {title: f"{stem}_{metric}" for title, metric in _WHOLE.items()}
        if stem == "vocals":
            whole["in silence"] = "vocals_in_silence_db"
        for title, columns in ((bss_title, bss), ("whole songs", whole)):
            click.echo(f"\n{stem}, {title}")
            _print_line("", columns, width)
            for summary in summaries:
                cells = (median_text(summary.medians[metric]) for metric in columns.values())
                _print_line(summary.system, cells, width)


def print_speed(summaries: "Sequence[Summary]", threads: int) -> None:
    """How fast each system is.

    Args:
        summaries: one for each system, at least one.
        threads: of the process that was timed.
    """
    width = max(len(summary.system) for summary in summaries)
    click.echo(f"\nspeed, in one process of {threads} threads")
    for summary in summaries:
        if summary.realtime_factor is not None:
            _print_line(summary.system, [f"{summary.realtime_factor:.1f}x real time"], width)


def _print_line(name: str, cells: Iterable[str], width: int) -> None:
    click.echo(f"{name:{width}}" + "".join(f"  {cell:{_CELL}}" for cell in cells).rstrip())
