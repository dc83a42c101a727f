"""What a check of an output finds: all counted, the first ones kept."""

from collections import Counter
from dataclasses import dataclass, field

MOST_KEPT = 50


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        kind: ``ledger``, ``duplicate``, ``forgotten``, ``missing``, ``size``, ``sha256``,
            ``header`` or ``unreadable``.
        track_id: whose; empty for the ledger as a whole.
        text: what was found and what was expected.
    """

    kind: str
    track_id: str
    text: str


@dataclass
class Problems:
    """Problems of one check, in bounded memory.

    Attributes:
        counts: how many there are of each kind.
        first: the first of them.
    """

    counts: Counter[str] = field(default_factory=Counter)
    first: list[Problem] = field(default_factory=list)

    def add(self, kind: str, track_id: str, text: str) -> None:
        """One more."""
        self.counts[kind] += 1
        if len(self.first) < MOST_KEPT:
            self.first.append(Problem(kind, track_id, text))
