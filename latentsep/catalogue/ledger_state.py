"""What the parts of the ledger say together."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from latentsep.catalogue.ledger_parts import ID, REJECTS, RESULTS, PartKind, read_parts
from latentsep.catalogue.withdrawn import FORGOTTEN, WITHDRAWN
from latentsep.storage import Store

logger = logging.getLogger(__name__)
FINISHED_COLUMNS = (ID, "uri", "source_etag")
REJECTED_COLUMNS = (ID, "retryable", "stage", "error_class")


@dataclass(frozen=True)
class LedgerState:
    """What is committed.

    Attributes:
        finished: ``track_id``, ``uri`` and ``source_etag`` of each result row.
        rejected: ``track_id``, ``retryable``, ``stage`` and ``error_class`` of the latest reject
            of each track that is neither finished nor forgotten.
        forgotten: ids of the tracks that were taken down, for ever.
    """

    finished: pa.Table
    rejected: pa.Table
    forgotten: pa.Array


def load_state(
    store: Store, results: Sequence[str], rejects: Sequence[str], withdrawn: Sequence[str]
) -> LedgerState:
    """Read the columns that decide what is left to do, from these parts of each kind.

    Raises:
        LedgerError: a part is missing or damaged.
    """
    finished = _once(store, _joined(store, RESULTS, results, FINISHED_COLUMNS))
    taken_down = _joined(store, WITHDRAWN, withdrawn, (ID, "reason"))
    is_forgotten = pc.equal(taken_down.column("reason"), FORGOTTEN)
    forgotten = pc.unique(taken_down.filter(is_forgotten).column(ID))
    finished = without_ids(finished, forgotten)
    rejected = _latest(_joined(store, REJECTS, rejects, REJECTED_COLUMNS))
    rejected = without_ids(without_ids(rejected, forgotten), finished.column(ID))
    return LedgerState(finished, rejected, forgotten)


def ids_among(ids: pa.ChunkedArray, wanted: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    """Those of ``ids`` that are in ``wanted``: the cost of a hash table is that of ``wanted``."""
    return ids.filter(pc.is_in(ids, value_set=_combined(wanted)))


def without_ids(rows: pa.Table, ids: pa.Array | pa.ChunkedArray) -> pa.Table:
    """The rows of all other tracks; the hash table is made of the smaller side."""
    column = rows.column(ID)
    if len(ids) > len(column):
        ids = ids_among(pa.chunked_array([_combined(ids)]), column)
    return rows.filter(pc.invert(pc.is_in(column, value_set=_combined(ids))))


def _combined(ids: pa.Array | pa.ChunkedArray) -> pa.Array:
    return ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids


def _joined(store: Store, kind: PartKind, keys: Sequence[str], columns: Sequence[str]) -> pa.Table:
    fields = [kind.schema.field(name).with_nullable(True) for name in columns]
    empty = pa.schema(fields).empty_table()
    tables = (
        pa.Table.from_arrays(part.columns, schema=empty.schema)
        for part in read_parts(store, kind, keys, columns)
    )
    return pa.concat_tables(chain([empty], tables))


def _once(store: Store, rows: pa.Table) -> pa.Table:
    """The first row of each track. No driver writes a second one, but people copy files."""
    if len(rows.column(ID).unique()) == rows.num_rows:
        return rows
    first = _rows_by_track(rows, "min")
    counted = pc.value_counts(rows.column(ID))
    twice = counted.filter(pc.greater(counted.field("counts"), 1)).field("values")
    logger.warning(
        "event=tracks_with_two_results uri=%s/results/ tracks=%d such_as=%s: counted once; parts "
        "were copied or restored by hand, put them back as they were",
        store.uri, len(twice), twice.slice(0, 3).to_pylist(),
    )  # fmt: skip
    return rows.take(first)


def _latest(rejects: pa.Table) -> pa.Table:
    """The last row of each track: the order of the parts is that of the commits."""
    return rejects.take(_rows_by_track(rejects, "max"))


def _rows_by_track(rows: pa.Table, which: str) -> pa.Array:
    """The number of the first ("min") or last ("max") row of each track, ascending."""
    numbers = pa.array(range(rows.num_rows), pa.int64())
    numbered = pa.table({ID: rows.column(ID), "row": numbers})
    picked = numbered.group_by(ID).aggregate([("row", which)])
    picked_rows = _combined(picked.column(f"row_{which}"))
    return picked_rows.take(pc.array_sort_indices(picked_rows))
