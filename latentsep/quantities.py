"""Sizes and times as people read them."""

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def size_text(size_bytes: int) -> str:
    """A size with three digits or so: ``512 bytes``, ``1.4 GB``."""
    size, unit = float(size_bytes), _UNITS[0]
    for larger in _UNITS[1:]:
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == _UNITS[0] else f"{size:.1f} {unit}"


def time_text(seconds: float) -> str:
    """A time in its two largest units: ``3 min 05 s``, ``2 d 04 h``."""
    minutes, rest_s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours:02d} h"
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest_s:02d} s"


def audio_text(audio_s: float) -> str:
    """A length of audio."""
    return f"{audio_s / 3600:,.2f} h of audio"
