"""The first things that one wants to know: how far, how fast, how much."""

from dataclasses import dataclass

from latentsep.quantities import size_text
from latentsep.report.course import realtime_factor_of
from latentsep.report.document import Report
from latentsep.report.texts import number_text, time_text


@dataclass(frozen=True)
class Tile:
    """One figure.

    Attributes:
        name: what it is.
        value: in large type.
        note: in small type; may be empty.
    """

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Progress:
    """Shares of the tracks that the manifest lists, 0 to 1."""

    finished: float
    rejected: float

    @property
    def ended(self) -> float:
        """Tracks that are finished or rejected."""
        return self.finished + self.rejected


def progress(report: Report) -> Progress | None:
    """How far the job is; None where nobody knows how many tracks there are."""
    if not report.tracks_wanted:
        return None
    finished = min(1.0, report.finished.tracks / report.tracks_wanted)
    return Progress(finished, min(1.0 - finished, report.rejected / report.tracks_wanted))


def tiles(report: Report) -> list[Tile]:
    """The figures, the most important first."""
    done = report.finished
    of_tracks = f"of {report.tracks_wanted:,} in the manifest" if report.tracks_wanted else ""
    of_audio = f"of {_hours(report.audio_wanted_s)}" if report.audio_wanted_s else ""
    again = f"{report.retryable:,} tried again by the next run" if report.rejected else ""
    made = [
        Tile("Finished tracks", f"{done.tracks:,}", of_tracks),
        Tile("Audio", _hours(done.audio_s), of_audio),
        Tile("Rejected tracks", f"{report.rejected:,}", again),
        *_speed(report),
        Tile("Stems", size_text(done.stem_bytes), "vocals and accompaniment"),
    ]
    if report.forgotten:
        made.append(Tile("Forgotten tracks", f"{report.forgotten:,}", "taken down"))
    return made


def _speed(report: Report) -> list[Tile]:
    if report.rate is not None:
        window = f"real time, over the last {time_text(report.rate.window_s)}"
        made = [Tile("Speed", _factor(report.rate.realtime_factor), window)]
        if report.rate.eta_s is not None:
            made.append(Tile("To go", time_text(report.rate.eta_s), "at this speed"))
        return made
    factor = realtime_factor_of(report.course)
    if factor is None:
        return []
    return [Tile("Speed", _factor(factor), "real time, from the start to the last commit")]


def _factor(factor: float) -> str:
    return f"{number_text(factor)}\u00d7"


def _hours(audio_s: float) -> str:
    return time_text(audio_s) if audio_s < 3600 else f"{audio_s / 3600:,.1f} h"
