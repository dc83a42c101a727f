"""A training's curve as a picture, for whoever has matplotlib."""

import importlib
import logging
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from latentsep.training.curve import VALIDATION_LOSS, Curve, Line

logger = logging.getLogger(__name__)

SMOOTHED_SHARE = 0.02
"""Of the curve: what one smoothed value is the mean of."""
HOURS = 6
"""So many of them are written above the steps, about."""

Floats = npt.NDArray[np.float64]


def draw_curve(curve: Curve, file: Path) -> None:
    """Loss and learning rate over steps and hours, validation beneath; nothing without matplotlib.

    A curve without a line of training has no picture yet.
    """
    figures = _matplotlib()
    lines = curve.lines()
    trained = [line for line in lines if "loss" in line]
    if figures is None or not trained:
        return
    validated = [line for line in lines if VALIDATION_LOSS in line]
    figure = figures.Figure(figsize=(9, 7), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    _draw_training(above, trained)
    _draw_validation(below, validated)
    _write_hours(above, trained)
    below.set_xlabel("steps")
    temporary = file.with_suffix(".part.png")
    figure.savefig(temporary, dpi=100)
    temporary.replace(file)


@cache
def _matplotlib() -> Any:  # noqa: ANN401 - a module that need not be there
    """The module of figures of matplotlib, without any screen; None where it is not installed."""
    try:
        logging.getLogger("matplotlib").setLevel(logging.WARNING)
        importlib.import_module("matplotlib").use("Agg")
        return importlib.import_module("matplotlib.figure")
    except ImportError:
        logger.info("no picture of the curve: matplotlib is missing, see latentsep[plots]")
        return None


def _draw_training(axes: Any, lines: list[Line]) -> None:  # noqa: ANN401
    steps, losses = _column(lines, "step"), _column(lines, "loss")
    axes.plot(steps, losses, color="C0", alpha=0.25)
    axes.plot(steps, smoothed(losses), color="C0", label="loss, smoothed")
    if np.all(losses > 0):  # a codec's is in dB
        axes.set_yscale("log")
    axes.set_ylabel("loss", color="C0")
    rate = axes.twinx()
    rate.plot(steps, _column(lines, "learning_rate"), color="C1", linewidth=1)
    rate.set_ylabel("learning rate", color="C1")
    axes.legend()


def _draw_validation(axes: Any, lines: list[Line]) -> None:  # noqa: ANN401
    if not lines:
        axes.text(0.5, 0.5, "no validation", transform=axes.transAxes, ha="center")
        return
    steps = _column(lines, "step")
    for name in lines[-1]:
        if name.endswith("_db"):
            axes.plot(steps, _column(lines, name), marker=".", label=_words(name))
    axes.set_ylabel("dB")
    loss = axes.twinx()
    loss.plot(steps, _column(lines, VALIDATION_LOSS), color="C3", linestyle=":")
    loss.set_ylabel("validation loss", color="C3")
    axes.legend()


def _write_hours(axes: Any, lines: list[Line]) -> None:  # noqa: ANN401
    """Hours of the schedule above the steps at which they came."""
    hours, steps = _column(lines, "elapsed_s") / 3600, _column(lines, "step")
    wanted = np.linspace(0, hours[-1], HOURS)
    above = axes.twiny()
    above.set_xlim(axes.get_xlim())
    above.set_xticks(np.interp(wanted, [0, *hours], [0, *steps]), [f"{h:.2g}" for h in wanted])
    above.set_xlabel("hours")


def smoothed(values: Floats) -> Floats:
    """Means over a few neighbours on either side, fewer at the ends; NaN is left out."""
    reach = max(1, round(SMOOTHED_SHARE * len(values) / 2))
    known = np.isfinite(values)
    sums, counts = (np.cumsum([0, *column]) for column in (np.where(known, values, 0), known))
    places = np.arange(len(values))
    first, last = np.maximum(places - reach, 0), np.minimum(places + reach + 1, len(values))
    with np.errstate(invalid="ignore"):
        means: Floats = (sums[last] - sums[first]) / (counts[last] - counts[first])
    return means


def _column(lines: list[Line], name: str) -> Floats:
    """Its numbers; NaN where there is none."""
    return np.array([np.nan if line[name] is None else line[name] for line in lines], np.float64)


def _words(name: str) -> str:
    return name.removesuffix("_db").replace("_", " ").replace("si sdr", "SI-SDR")
