"""How often each unfinished track was started: finds the one that kills its worker."""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol


class Starts(Protocol):
    """What a worker tells and asks; must outlive the worker."""

    def counts(self, track_ids: Sequence[str]) -> dict[str, int]:
        """Starts without an end of these tracks; those never started are left out."""

    def begin(self, track_id: str) -> None:
        """A track is started."""

    def end(self, track_id: str) -> None:
        """A track ended, well or with a reject."""


class StartCounter:
    """Counts in memory: for workers of this process, and inside the named actor of a job."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    def counts(self, track_ids: Sequence[str]) -> dict[str, int]:
        """See ``Starts``."""
        return {track_id: self._open[track_id] for track_id in track_ids if track_id in self._open}

    def begin(self, track_id: str) -> None:
        """See ``Starts``."""
        self._open[track_id] += 1

    def end(self, track_id: str) -> None:
        """See ``Starts``."""
        self._open.pop(track_id, None)
