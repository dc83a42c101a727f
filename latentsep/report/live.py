"""The page of an output that is still worked on: read again and again in a thread of its own."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Self

from latentsep.catalogue.status import DoneCount
from latentsep.errors import LatentsepError
from latentsep.report.document import Report
from latentsep.report.page import digest_of, page_of, page_parts
from latentsep.report.texts import one_line

PAUSE_S = 2.0
"""Between the end of a reading and the next one."""


@dataclass(frozen=True)
class Part:
    """A part of the page as it is now; ``digest`` changes with its text."""

    digest: str
    html: str


class LivePage:
    """The parts of the page as they were last read.

    Args:
        readings: each makes the report anew, the quick one before the thorough one; what they
            raise on purpose becomes a line on the page.
        out: what is read, for the page before the first reading has ended.
        pause_s: between two readings.
    """

    def __init__(
        self, readings: Sequence[Callable[[], Report]], out: str, pause_s: float = PAUSE_S
    ) -> None:
        self._readings = tuple(readings)
        self._pause_s = pause_s
        self._report = _unread(out)
        self._parts = _digested(self._report)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="report", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End without waiting for a reading that may take minutes."""
        self._is_over.set()

    @property
    def parts(self) -> Mapping[str, Part]:
        """All parts by name; the mapping is never changed, only exchanged."""
        return self._parts

    @property
    def html(self) -> str:
        """The whole page."""
        parts = {name: part.html for name, part in self._parts.items()}
        return page_of(parts, f"{self._report.state}: {self._report.out}", live=True)

    def refresh(self) -> None:
        """Go through the readings once."""
        for read in self._readings:
            self._show(read)

    def _show(self, read: Callable[[], Report]) -> None:
        try:
            self._report = shown = read()
        except LatentsepError as error:
            line = f"The output cannot be read now, below is what was read before: {error}"
            shown = replace(self._report, problems=(one_line(line),))
        self._parts = _digested(shown)

    def _follow(self) -> None:
        while not self._is_over.is_set():
            self.refresh()
            self._is_over.wait(self._pause_s)


def _digested(report: Report) -> dict[str, Part]:
    return {name: Part(digest_of(html), html) for name, html in page_parts(report).items()}


def _unread(out: str) -> Report:
    return Report(
        out=out,
        made_at=datetime.now(UTC),
        state="being read",
        state_reason="the page fills by itself",
        run_id=None,
        identity={},
        about={},
        model=None,
        model_licence=None,
        manifest=None,
        tracks_wanted=None,
        audio_wanted_s=None,
        finished=DoneCount(),
        rejected=0,
        retryable=0,
        forgotten=0,
        rate=None,
        course=None,
        stage_s={},
        distributions=(),
        rejects=(),
        ranking=None,
        comparison=None,
    )
