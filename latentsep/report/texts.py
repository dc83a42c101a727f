"""Numbers and text as the page shows them."""

import math

from latentsep import quantities
from latentsep.report.document import Measure

_DIGITS_OF_A_RANGE = 3


def one_line(text: str) -> str:
    """Text that shows every character: ids hold line ends, turns of direction, stray bytes."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def time_text(seconds: float) -> str:
    """A time in its two largest units: ``0.4 s``, ``12 s``, ``3 min 05 s``, ``2 d 04 h``."""
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 or seconds == 0 else f"{seconds:.1f} s"
    return quantities.time_text(seconds)


def place_text(seconds: float) -> str:
    """A place in a track: ``1:05``."""
    minutes, rest_s = divmod(round(seconds), 60)
    return f"{minutes}:{rest_s:02d}"


def number_text(number: float) -> str:
    """Three digits or so: ``0.042``, ``5.3``, ``54``, ``1,200``."""
    if number == 0 or abs(number) >= 100:
        return f"{number:,.0f}"
    digits = max(0, 1 - math.floor(math.log10(abs(number))))
    text = f"{number:.{min(digits, 3)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def value_text(value: float, measure: Measure) -> str:
    """A value with as many decimals as the measure's range deserves, and its unit."""
    size = math.floor(math.log10(measure.high - measure.low))
    decimals = max(0, _DIGITS_OF_A_RANGE - 1 - size)
    number = f"{value:,.{decimals}f}".replace("-", "\N{MINUS SIGN}")
    return f"{number} {measure.unit}".rstrip()
