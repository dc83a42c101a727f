"""Where in a song the singers sing, and where they leave room."""

from dataclasses import dataclass

import numpy as np

from latentsep.training.songs.harmony import Note, Plan

Span = tuple[float, float]
"""Start and end in seconds."""


@dataclass(frozen=True)
class Layout:
    """Stretches without vocals: introductions, solos, endings."""

    rests: tuple[Span, ...]

    def is_rest(self, time_s: float) -> bool:
        """Whether the vocals are silent at a time."""
        return any(start_s <= time_s < end_s for start_s, end_s in self.rests)

    def sung(self, phrases: list[list[Note]]) -> list[list[Note]]:
        """The notes that start outside of the rests."""
        kept = [[n for n in phrase if not self.is_rest(n.start_s)] for phrase in phrases]
        return [phrase for phrase in kept if phrase]

    def played(self, phrases: list[list[Note]]) -> list[list[Note]]:
        """The notes that start in the rests."""
        kept = [[n for n in phrase if self.is_rest(n.start_s)] for phrase in phrases]
        return [phrase for phrase in kept if phrase]


def random_layout(rng: np.random.Generator, plan: Plan) -> Layout:
    """Draw introduction, solo and ending, each of them on bars and in some songs only."""
    duration_s = plan.duration_s
    rests: list[Span] = []
    if rng.random() < 0.3:
        rests.append((0.0, _on_bar(plan, rng.uniform(0.08, 0.3) * duration_s)))
    if rng.random() < 0.3:
        start_s = _on_bar(plan, rng.uniform(0.3, 0.8) * duration_s)
        rests.append((start_s, start_s + plan.bar_s * float(rng.choice([1, 2, 4]))))
    if rng.random() < 0.15:
        rests.append((_on_bar(plan, rng.uniform(0.75, 0.95) * duration_s), duration_s))
    return Layout(tuple(rests))


def _on_bar(plan: Plan, time_s: float) -> float:
    return plan.origin_s + plan.bar_s * round((time_s - plan.origin_s) / plan.bar_s)
