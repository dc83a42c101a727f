"""The rejects that stand, by reason and with examples, counted part after part."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from latentsep.catalogue.failed import EXAMPLES, Example, RejectChoice, RejectGroup, grouped
from latentsep.catalogue.ledger_parts import REJECTS, read_part
from latentsep.catalogue.ledger_state import without_ids
from latentsep.catalogue.open_rejects import ROWS_AT_ONCE, OpenRejects
from latentsep.storage import Store

COLUMNS = ("track_id", "duration_s", "committed_at", "stage", "error_class", "retryable")
_PART = "part_number"
"""A further column: messages are long, so only those of examples are read, later, from there."""
_WHERE_NULL = {"stage": "unknown", "error_class": "unknown", "retryable": False}
"""Of columns that an older version did not write."""

_Place = tuple[int, str]


class RejectCount:
    """Rejects of one output. Memory grows with the tracks that have one; messages are not in it.

    Attributes:
        by_time: reject rows by the time of their commit, also of tracks that are finished now.
    """

    def __init__(self) -> None:
        self.by_time: Counter[datetime] = Counter()
        self._open = OpenRejects.none(COLUMNS)
        self._examples: dict[_Place, Example] = {}

    def add(self, parts: Iterable[tuple[str, pa.Table]], forgotten: pa.Array) -> None:
        """Count the rows of more parts; to be done before the results that came meanwhile."""
        for rows in _in_large_pieces(self._counted(*part, forgotten) for part in parts):
            self._open.add(rows)

    def settle(self, ids: pa.ChunkedArray) -> None:
        """These tracks are finished."""
        self._open.settle(ids)

    def rows(self) -> pa.Table:
        """The rejects that stand, without messages."""
        return self._open.rows()

    def groups(self, store: Store) -> tuple[RejectGroup, ...]:
        """The rejects that stand, by reason, with examples where their part can be read.

        Raises:
            LedgerError: a part that was counted cannot be read again.
        """
        rows = self.rows()
        places = [(group, _earliest(rows, group)) for group in grouped(rows)]
        self._read_examples(store, {place for _, those in places for place in those})
        return tuple(
            replace(group, examples=tuple(self._examples[place] for place in those))
            for group, those in places
        )

    def _counted(self, key: str, rows: pa.Table, forgotten: pa.Array) -> pa.Table:
        rows = without_ids(rows, forgotten)
        for one in pc.value_counts(rows.column("committed_at").drop_null()).to_pylist():
            self.by_time[one["values"]] += one["counts"]
        filled = [
            pc.fill_null(column, _WHERE_NULL[name]) if name in _WHERE_NULL else column
            for name, column in zip(rows.column_names, rows.columns, strict=True)
        ]
        numbers = pa.array(np.full(rows.num_rows, REJECTS.number(key), np.int64))
        return pa.table([*filled, numbers], [*rows.column_names, _PART])

    def _read_examples(self, store: Store, places: set[_Place]) -> None:
        self._examples = {place: self._examples[place] for place in places & self._examples.keys()}
        wanted = places - self._examples.keys()
        for number in sorted({number for number, _ in wanted}):
            ids = pa.array([track_id for part, track_id in wanted if part == number], pa.string())
            rows = read_part(store, REJECTS, REJECTS.key(number), ["track_id", "uri", "message"])
            for row in rows.filter(pc.is_in(rows.column("track_id"), value_set=ids)).to_pylist():
                texts = {name: text or "" for name, text in row.items()}
                self._examples[number, row["track_id"]] = Example(**texts)


def _earliest(rows: pa.Table, group: RejectGroup) -> list[_Place]:
    choice = RejectChoice((group.stage,), (group.error_class,), group.retryable)
    mine = choice.of(rows).slice(0, EXAMPLES)
    return [(row[_PART], row["track_id"]) for row in mine.to_pylist()]


def _in_large_pieces(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Fewer tables: each is compared with all rejects before it."""
    gathered: list[pa.Table] = []
    rows = 0
    for table in tables:
        gathered.append(table)
        rows += table.num_rows
        if rows >= ROWS_AT_ONCE:
            yield pa.concat_tables(gathered)
            gathered, rows = [], 0
    if rows:
        yield pa.concat_tables(gathered)
