"""Why tracks have no stems: the rejects that stand, chosen, grouped, or made a manifest again."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from latentsep.catalogue.schema import MANIFEST_COLUMNS, REJECT

EXAMPLES = 3
_GROUP = ["stage", "error_class", "retryable"]


@dataclass(frozen=True)
class RejectChoice:
    """Which rejects are wanted; what is empty or None leaves all."""

    stages: tuple[str, ...] = ()
    error_classes: tuple[str, ...] = ()
    retryable: bool | None = None

    def of(self, rejects: pa.Table) -> pa.Table:
        """The rejects that are wanted, in their order."""
        for name, wanted in (("stage", self.stages), ("error_class", self.error_classes)):
            if wanted:
                there = pc.is_in(rejects.column(name), value_set=pa.array(wanted, pa.string()))
                rejects = rejects.filter(there)
        if self.retryable is not None:
            rejects = rejects.filter(pc.equal(rejects.column("retryable"), self.retryable))
        return rejects


@dataclass(frozen=True)
class Example:
    """One reject of a group."""

    track_id: str
    uri: str
    message: str


@dataclass(frozen=True)
class RejectGroup:
    """Rejects of one kind.

    Attributes:
        retryable: the next run tries these tracks again by itself.
        tracks: how many there are.
        examples: the earliest of them, where the rejects given have ``uri`` and ``message``.
    """

    stage: str
    error_class: str
    retryable: bool
    tracks: int
    examples: tuple[Example, ...] = ()


def grouped(rejects: pa.Table) -> list[RejectGroup]:
    """Rejects by stage, error class and whether they are retryable; the largest group first."""
    counted = rejects.select(_GROUP).group_by(_GROUP).aggregate([([], "count_all")]).to_pylist()
    counted.sort(key=lambda group: (-group["count_all"], *(group[name] for name in _GROUP)))
    return [_group(rejects, *group.values()) for group in counted]


def as_manifest(rejects: pa.Table) -> pa.Table:
    """A manifest of the rejected tracks: id, URI, duration, and the further columns of theirs."""
    further = [name for name in rejects.column_names if name not in REJECT.names]
    return rejects.select([*MANIFEST_COLUMNS, *further])


def _group(
    rejects: pa.Table, stage: str, error_class: str, retryable: bool, tracks: int
) -> RejectGroup:
    if not {"uri", "message"} <= set(rejects.column_names):
        return RejectGroup(stage, error_class, retryable, tracks)
    mine = RejectChoice((stage,), (error_class,), retryable).of(rejects).slice(0, EXAMPLES)
    examples = mine.select(["track_id", "uri", "message"]).to_pylist()
    return RejectGroup(
        stage, error_class, retryable, tracks, tuple(Example(**row) for row in examples)
    )
