"""Rows of the ledger from what a worker knows, and the table that carries them to the driver."""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from latentsep.catalogue.schema import (
    MANIFEST_COLUMNS,
    OUTCOME_COLUMNS,
    REFERENCE_COLUMNS,
    REJECT,
    RESULT,
)
from latentsep.version import __version__

Row = dict[str, Any]
"""One row of a schema of ``catalogue.schema``, by column name."""


@dataclass(frozen=True)
class ManifestRow:
    """What a worker needs to know of one track."""

    track_id: str
    uri: str
    duration_s: float | None = None
    references: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """The end of one attempt: exactly one of the two is there."""

    result: Row | None = None
    reject: Row | None = None


def manifest_rows(table: pa.Table) -> list[ManifestRow]:
    """The rows of a block of the manifest, in its order."""
    wanted = [
        *MANIFEST_COLUMNS,
        *(name for name in REFERENCE_COLUMNS if name in table.column_names),
    ]
    return [_manifest_row(row) for row in table.select(wanted).to_pylist()]


def _manifest_row(row: Row) -> ManifestRow:
    references = {
        name.removesuffix("_uri"): row[name] for name in REFERENCE_COLUMNS if row.get(name)
    }
    return ManifestRow(row["track_id"], row["uri"], row["duration_s"], references)


def run_columns(run_id: str, attempt: str) -> Row:
    """The columns that say which run and machine made a row; the commit adds its time."""
    return {
        "run_id": run_id,
        "attempt": attempt,
        "host": socket.gethostname(),
        "code_version": __version__,
        "committed_at": None,
    }


def outcome_table(block: pa.Table, outcomes: Sequence[Outcome]) -> pa.Table:
    """The outcomes of a block in its order, with the manifest's further columns beside them."""
    table = pa.table(
        {
            "result": pa.array([outcome.result for outcome in outcomes], _struct(RESULT)),
            "reject": pa.array([outcome.reject for outcome in outcomes], _struct(REJECT)),
        }
    )
    for name in further_columns(block):
        table = table.append_column(block.schema.field(name), block.column(name))
    return table


def split_outcomes(table: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Result rows and reject rows, each with the manifest's further columns after its own."""
    return _rows_of(table, "result", RESULT), _rows_of(table, "reject", REJECT)


def further_columns(table: pa.Table) -> list[str]:
    """Names of the columns that are carried through."""
    return [name for name in table.column_names if name not in MANIFEST_COLUMNS]


def _struct(schema: pa.Schema) -> pa.DataType:
    """The schema as a type that may be null as a whole."""
    return pa.struct([item.with_nullable(True) for item in schema])


def _rows_of(table: pa.Table, name: str, schema: pa.Schema) -> pa.Table:
    mine = table.filter(pc.is_valid(table.column(name)))
    structs = mine.column(name).combine_chunks()
    columns = [pc.struct_field(structs, item.name).cast(item.type) for item in schema]
    fields = [item.with_nullable(True) if item.name == "committed_at" else item for item in schema]
    rows = pa.table(columns, schema=pa.schema(fields))
    for extra in mine.column_names:
        if extra not in OUTCOME_COLUMNS:
            rows = rows.append_column(mine.schema.field(extra), mine.column(extra))
    return rows
