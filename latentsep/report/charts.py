"""Where the bars of a chart lie, in per cent of its area; the templates draw them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from latentsep.report.document import Course, Distribution
from latentsep.report.texts import number_text, value_text

GAP = 0.12
"""Share of a bar's place that stays empty."""
WIDEST = 8.0
"""Per cent of the chart's width: two bars are no walls."""


@dataclass(frozen=True)
class Bar:
    """One bar, which stands on the ground.

    Attributes:
        x, width, height: in per cent of the chart's width and height.
        label: what it says, for whoever points at it.
    """

    x: float
    width: float
    height: float
    label: str


@dataclass(frozen=True)
class Chart:
    """Bars over an even axis.

    Attributes:
        bars: from left to right; none where the value is 0.
        y_labels: from the top down, evenly spaced, the last at the ground.
        x_labels: from left to right, evenly spaced.
    """

    bars: tuple[Bar, ...]
    y_labels: tuple[str, ...]
    x_labels: tuple[str, ...]


@dataclass(frozen=True)
class Share:
    """One piece of a whole.

    Attributes:
        name: of the piece.
        amount: as it was given.
        share: of the whole, 0 to 1.
        x, width: in per cent of the whole's width.
    """

    name: str
    amount: float
    share: float
    x: float
    width: float


def throughput_chart(course: Course) -> Chart:
    """Seconds of audio finished per second, bin by bin."""
    factors = [audio_s / course.bin_s for audio_s in course.audio_s]
    labels = [
        f"{begin}: {number_text(factor)}\u00d7 real time, {tracks:,} tracks"
        for begin, factor, tracks in zip(bin_times(course), factors, course.tracks, strict=True)
    ]
    return _chart(factors, labels, _time_labels(course), unit="\u00d7")


def rejects_chart(course: Course) -> Chart:
    """Rejects, bin by bin."""
    labels = [
        f"{begin}: {rejects:,} rejects"
        for begin, rejects in zip(bin_times(course), course.rejects, strict=True)
    ]
    return _chart(course.rejects, labels, _time_labels(course), lowest_top=2.0)


def bin_times(course: Course) -> list[str]:
    """When each bin begins, by the clock; with the day where there are several."""
    return [_clock(course, course.bin_s * place) for place in range(len(course.tracks))]


def histogram(distribution: Distribution) -> Chart:
    """Tracks by value."""
    measure = distribution.measure
    bins = len(distribution.counts)
    width = (measure.high - measure.low) / bins
    edges = [value_text(measure.low + width * place, measure) for place in range(bins + 1)]
    labels = [
        f"{edges[place]} to {edges[place + 1]}: {count:,} tracks"
        for place, count in enumerate(distribution.counts)
    ]
    middle = (measure.low + measure.high) / 2
    ends = tuple(value_text(value, measure) for value in (measure.low, middle, measure.high))
    return _chart(distribution.counts, labels, ends, lowest_top=2.0)


def place_of(value: float, distribution: Distribution) -> float:
    """Where a value lies on its histogram, in per cent of the width."""
    measure = distribution.measure
    share = (value - measure.low) / (measure.high - measure.low)
    return round(100 * min(1.0, max(0.0, share)), 3)


def shares(amounts: Sequence[tuple[str, float]]) -> tuple[Share, ...]:
    """Pieces of a whole side by side; none if the whole is nothing."""
    whole = sum(amount for _, amount in amounts)
    if not whole > 0:
        return ()
    begin, made = 0.0, []
    for name, amount in amounts:
        share = amount / whole
        made.append(Share(name, amount, share, round(100 * begin, 3), round(100 * share, 3)))
        begin += share
    return tuple(made)


def ceiling(highest: float) -> float:
    """A round number at or over the highest value, which two steps reach evenly."""
    if not highest > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest))
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= highest)


def _chart(
    values: Sequence[float],
    labels: Sequence[str],
    x_labels: tuple[str, ...],
    *,
    unit: str = "",
    lowest_top: float = 0.0,
) -> Chart:
    top = max(ceiling(max(values, default=0.0)), lowest_top)
    place = 100 / max(len(values), 1)
    width = min(place * (1 - GAP), WIDEST)
    bars = tuple(
        Bar(
            x=round(place * (number + 0.5) - width / 2, 3),
            width=round(width, 3),
            height=round(100 * value / top, 3),
            label=label,
        )
        for number, (value, label) in enumerate(zip(values, labels, strict=True))
        if value > 0
    )
    y_labels = (number_text(top) + unit, number_text(top / 2) + unit, "0")
    return Chart(bars, y_labels, x_labels)


def _time_labels(course: Course) -> tuple[str, ...]:
    whole_s = course.bin_s * len(course.tracks)
    return tuple(_clock(course, whole_s * share) for share in (0, 0.5, 1))


def _clock(course: Course, after_s: float) -> str:
    whole = timedelta(seconds=course.bin_s * len(course.tracks))
    time: datetime = course.begin + timedelta(seconds=after_s)
    if (course.begin + whole).date() != course.begin.date():
        return f"{time:%-d %b %H:%M}"
    return f"{time:%H:%M:%S}" if whole < timedelta(hours=1) else f"{time:%H:%M}"
