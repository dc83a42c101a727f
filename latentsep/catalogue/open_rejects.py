"""The rejects that still stand: the latest of each track that is neither finished nor forgotten."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from latentsep.catalogue.ledger import FORGOTTEN, read_rejects, read_results, read_withdrawn
from latentsep.catalogue.schema import REJECT
from latentsep.storage.base import Store

ROWS_AT_ONCE = 500_000
"""So many rows or ids are gathered before they are looked through: one pass each, little memory."""


class OpenRejects:
    """Rejects of one output, from which finished tracks are struck out part by part.

    Memory grows with the tracks that have a reject, not with those that are finished. Read them
    before the results: a track that is finished in between is then among the results.

    Args:
        rows: the latest reject of each track.
    """

    def __init__(self, rows: pa.Table) -> None:
        self._rows = rows
        self._settled: list[pa.ChunkedArray] = []
        self._settled_ids = 0

    @classmethod
    def none(cls, columns: Sequence[str] | None = None) -> Self:
        """No rejects yet, of these columns, ``track_id`` among them."""
        return cls(_no_rows(columns))

    @classmethod
    def of(cls, store: Store, columns: Sequence[str] | None = None) -> Self:
        """The rejects of an output.

        Args:
            store: the output.
            columns: names of columns, ``track_id`` among them; all of each part if None.

        Raises:
            LedgerError: a part is missing between others, damaged, or cannot be read.
        """
        rejects = cls(_latest(read_rejects(store, columns), columns))
        rejects._strike_out(forgotten_ids(store))
        return rejects

    def add(self, part: pa.Table) -> None:
        """Later rejects; those of tracks that were settled before would count again."""
        self._look_through()
        self._rows = _last_of_each(_joined([self._rows, part.replace_schema_metadata(None)]))

    def settle(self, ids: pa.ChunkedArray) -> None:
        """These tracks are finished."""
        if self._rows.num_rows:
            self._settled.append(ids)
            self._settled_ids += len(ids)
            if self._settled_ids >= ROWS_AT_ONCE:
                self._look_through()

    def rows(self) -> pa.Table:
        """What is left, in the order of the commits."""
        self._look_through()
        return self._rows

    def _look_through(self) -> None:
        if self._settled:
            chunks = (chunk for ids in self._settled for chunk in ids.chunks)
            self._strike_out(pa.chunked_array(chunks, pa.string()))
            self._settled.clear()
            self._settled_ids = 0

    def _strike_out(self, ids: pa.Array | pa.ChunkedArray) -> None:
        self._rows = self._rows.filter(pc.invert(is_one_of(self._rows.column("track_id"), ids)))


def latest_rejects(store: Store, columns: Sequence[str] | None = None) -> pa.Table:
    """The latest reject of each track that is neither finished nor forgotten.

    Args:
        store: the output.
        columns: names of columns, ``track_id`` among them; all if None. Further columns that only
            some parts have are null in the others.

    Raises:
        LedgerError: a part is missing between others, damaged, or cannot be read.
    """
    rejects = OpenRejects.of(store, columns)
    for part in read_results(store, ["track_id"]):
        rejects.settle(part.column("track_id"))
    return rejects.rows()


def forgotten_ids(store: Store) -> pa.Array:
    """Ids of the tracks that were taken down, each once.

    Raises:
        LedgerError: a part of the record is missing or cannot be read.
    """
    chunks = [pa.array([], pa.string())]
    for part in read_withdrawn(store, ["track_id", "reason"]):
        forgotten = part.filter(pc.equal(part.column("reason"), FORGOTTEN))
        chunks += forgotten.column("track_id").chunks
    return pa.chunked_array(chunks).unique()


def is_one_of(ids: pa.ChunkedArray, wanted: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    """For each id whether it is one of those wanted."""
    values = wanted.combine_chunks() if isinstance(wanted, pa.ChunkedArray) else wanted
    return pc.is_in(ids, value_set=values)


def _latest(parts: Iterable[pa.Table], columns: Sequence[str] | None) -> pa.Table:
    gathered, new_rows = [_no_rows(columns)], 0
    for part in parts:
        gathered.append(part.replace_schema_metadata(None))
        new_rows += part.num_rows
        if new_rows >= ROWS_AT_ONCE:
            gathered, new_rows = [_last_of_each(_joined(gathered))], 0
    return _last_of_each(_joined(gathered))


def _last_of_each(rows: pa.Table) -> pa.Table:
    """The last row of each track, in the order of the table."""
    numbers = pa.array(range(rows.num_rows), pa.int64())
    numbered = pa.table({"id": rows.column("track_id"), "row": numbers})
    last = numbered.group_by("id").aggregate([("row", "max")]).column("row_max")
    return rows.take(last.take(pc.sort_indices(last)))


def _no_rows(columns: Sequence[str] | None) -> pa.Table:
    schema = pa.schema([field.with_nullable(True) for field in REJECT])
    names = [name for name in schema.names if columns is None or name in columns]
    return schema.empty_table().select(names)


def _joined(tables: list[pa.Table]) -> pa.Table:
    """One table; a further column that changed its type from one manifest to another is text."""
    fields = sorted((field for table in tables for field in table.schema), key=lambda f: f.name)
    mixed = {
        name
        for name, same in groupby(fields, key=lambda field: field.name)
        if len({field.type for field in same if not pa.types.is_null(field.type)}) > 1
    }
    return pa.concat_tables([_as_text(table, mixed) for table in tables], promote_options="default")


def _as_text(table: pa.Table, names: set[str]) -> pa.Table:
    for name in names & set(table.column_names):
        place = table.schema.get_field_index(name)
        column = table.column(place)
        if not pa.types.is_nested(column.type):
            text = column.cast(pa.string())
        else:
            text = pa.chunked_array([pa.array(map(str, column.to_pylist()), pa.string())])
        table = table.set_column(place, name, text)
    return table
