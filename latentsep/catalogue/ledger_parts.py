"""The Parquet objects of the ledger: their names, their bytes, and how they are read."""

import logging
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count, islice
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from latentsep.catalogue.schema import REJECT, RESULT
from latentsep.errors import LedgerError, ObjectMissingError, StoreError
from latentsep.storage import Store

logger = logging.getLogger(__name__)
READERS = 16
WRITER_KEY = b"latentsep.writer"
NONCE_KEY = b"latentsep.nonce"
REWRITE_KEY = b"latentsep.rewrite"
ID = "track_id"
_FIELD_ID = b"PARQUET:field_id"

Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True)
class PartKind:
    """One of the logs: the folder of its parts and the columns each part has at least."""

    folder: str
    schema: pa.Schema

    def key(self, number: int) -> str:
        """Key of part ``number``, which counts from 1."""
        return f"{self.folder}/part-{number:08d}.parquet"

    def number(self, key: str) -> int | None:
        """The number in a key; None if it is no part's."""
        match = re.fullmatch(rf"{self.folder}/part-([0-9]{{8}})\.parquet", key)
        return int(match[1]) or None if match else None


RESULTS = PartKind("results", RESULT)
REJECTS = PartKind("rejects", REJECT)


@dataclass(frozen=True)
class Stamp:
    """Who made a part and in which try; lies in the Parquet file's metadata."""

    writer_id: str
    nonce: str


def part_bytes(rows: pa.Table, stamp: Stamp, rewrite: str = "") -> bytes:
    """A part as Parquet, with a checksum for each page.

    Args:
        rows: all of them.
        stamp: who made the part.
        rewrite: a random text if the part is to be replaced: its bytes must never have been there.

    Raises:
        LedgerError: a column has a type that Parquet cannot hold.
    """
    about = {
        **(rows.schema.metadata or {}),
        WRITER_KEY: stamp.writer_id.encode(),
        NONCE_KEY: stamp.nonce.encode(),
        **({REWRITE_KEY: rewrite.encode()} if rewrite else {}),
    }
    sink = pa.BufferOutputStream()
    try:
        pq.write_table(
            rows.replace_schema_metadata(about), sink, compression="zstd", write_page_checksum=True
        )
    except pa.ArrowException as error:
        raise LedgerError(
            f"these rows cannot be written as Parquet: {error}; columns that it cannot hold: "
            f"{', '.join(unwritable_columns(rows.schema)) or 'none'}; leave them out of the "
            "manifest"
        ) from error
    return bytes(sink.getvalue())


def unwritable_columns(schema: pa.Schema) -> list[str]:
    """Names of the columns whose type Parquet cannot hold, such as a struct without fields."""
    return [item.name for item in schema if not _is_writable(item)]


def _is_writable(item: pa.Field) -> bool:
    try:
        pq.write_table(pa.schema([item]).empty_table(), pa.BufferOutputStream())
    except pa.ArrowException:
        return False
    return True


def conformed(rows: pa.Table, kind: PartKind) -> pa.Table:
    """The rows with exactly the schema's fields, in its order, and the further columns after them.

    Raises:
        LedgerError: a column is missing, of another type, or has nulls it must not have.
    """
    missing = [name for name in kind.schema.names if name not in rows.column_names]
    if missing:
        raise LedgerError(f"rows for {kind.folder}/ lack the columns {', '.join(missing)}")
    extra = [item for item in rows.schema if item.name not in kind.schema.names]
    columns = [_cast(rows.column(item.name), item, kind) for item in kind.schema]
    columns += [rows.column(item.name) for item in extra]
    schema = pa.schema([*kind.schema, *(_carried(item) for item in extra)])
    return pa.Table.from_arrays(columns, schema=schema)


def _cast(column: pa.ChunkedArray, item: pa.Field, kind: PartKind) -> pa.ChunkedArray:
    if column.null_count and not item.nullable:
        raise LedgerError(
            f"rows for {kind.folder}/: {column.null_count} of {len(column)} values of column "
            f"{item.name} are null, which it must not be"
        )
    try:
        return column.cast(item.type)
    except pa.ArrowException as error:
        raise LedgerError(f"rows for {kind.folder}/: column {item.name}: {error}") from error


def _carried(item: pa.Field) -> pa.Field:
    """A manifest's field: rows may lack it, and its number in that file means nothing here."""
    about = {key: text for key, text in (item.metadata or {}).items() if key != _FIELD_ID}
    return item.with_nullable(True).with_metadata(about or None)


def part_keys(store: Store, kind: PartKind) -> list[str]:
    """Keys of all parts in the order of their numbers; other objects are logged and passed over.

    Raises:
        LedgerError: a number is missing between two others, or the parts cannot be listed.
    """
    try:
        found = set(_listed_numbers(store, kind))
        for number in islice(count(1), max(found, default=0)):
            # A listing that runs while parts are made may have a later one and not an earlier one.
            if number not in found:
                store.stat(kind.key(number))
    except ObjectMissingError as error:
        raise LedgerError(
            f"{store.uri_of(kind.key(number))}: is missing, but part {max(found)} is there; "
            "restore it from a backup, or put an empty part in its place, and its tracks are "
            "separated again (docs/ledger.md)"
        ) from error
    except StoreError as error:
        raise LedgerError(f"{store.uri}/{kind.folder}/: cannot be listed: {error}") from error
    return [kind.key(number) for number in range(1, max(found, default=0) + 1)]


def _listed_numbers(store: Store, kind: PartKind) -> Iterator[int]:
    for info in store.list(f"{kind.folder}/"):
        if (number := kind.number(info.key)) is not None:
            yield number
        else:
            logger.warning(
                "event=unknown_object uri=%s/%s: no part of the ledger, not read",
                store.uri, info.key,
            )  # fmt: skip


def read_part(
    store: Store, kind: PartKind, key: str, columns: Sequence[str] | None = None
) -> pa.Table:
    """One part, or some columns of it; those it lacks are null.

    Raises:
        LedgerError: the part is missing, damaged or has no track_id.
    """
    try:
        return read_part_if_there(store, kind, key, columns)
    except ObjectMissingError as error:
        raise LedgerError(f"{store.uri_of(key)}: is gone; restore it from a backup") from error


def read_part_if_there(
    store: Store, kind: PartKind, key: str, columns: Sequence[str] | None = None
) -> pa.Table:
    """As ``read_part``.

    Raises:
        ObjectMissingError: there is no such part.
        LedgerError: as ``read_part``.
    """
    uri = store.uri_of(key)
    try:
        with store.open(key) as file, pq.ParquetFile(file, page_checksum_verification=True) as part:
            names = set(part.schema_arrow.names)
            wanted = None if columns is None else [name for name in columns if name in names]
            table = part.read(columns=wanted, use_threads=False)
    except ObjectMissingError:
        raise
    except StoreError as error:
        raise LedgerError(f"{uri}: cannot be read: {error}") from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise LedgerError(_damage(uri, str(error))) from error
    if ID not in names:
        raise LedgerError(_damage(uri, f"it has no column {ID}"))
    return table if columns is None else _selected(table, columns, kind.schema, uri)


def _damage(uri: str, reason: str) -> str:
    return (
        f"{uri}: is damaged: {reason}; restore it from a backup, or put an empty part in its "
        "place, and its tracks are separated again (docs/ledger.md)"
    )


def _selected(table: pa.Table, columns: Sequence[str], schema: pa.Schema, uri: str) -> pa.Table:
    fields = [_field(table, name, schema) for name in columns]
    try:
        arrays = [
            table.column(item.name).cast(item.type)
            if item.name in table.column_names
            else pa.nulls(table.num_rows, item.type)
            for item in fields
        ]
    except pa.ArrowException as error:
        raise LedgerError(_damage(uri, str(error))) from error
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata=table.schema.metadata))


def _field(table: pa.Table, name: str, schema: pa.Schema) -> pa.Field:
    """The field as this version knows it; else as the part has it; else nothing but nulls."""
    if name in schema.names:
        known = schema.field(name)
        return known if name in table.column_names else known.with_nullable(True)
    return table.schema.field(name) if name in table.column_names else pa.field(name, pa.null())


def stamp_of(table: pa.Table) -> Stamp:
    """Who wrote the part that a table was read from; empty texts where it does not say."""
    about = table.schema.metadata or {}
    return Stamp(about.get(WRITER_KEY, b"").decode(), about.get(NONCE_KEY, b"").decode())


def read_parts(
    store: Store, kind: PartKind, keys: Sequence[str], columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """These parts in order, one table each; up to ``READERS`` are read ahead.

    Raises:
        LedgerError: a part is missing or damaged.
    """
    return in_order(lambda key: read_part(store, kind, key, columns), keys)


def in_order(work: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[Made]:
    """``map`` by ``READERS`` threads, never further ahead than that many items."""
    with ThreadPoolExecutor(READERS) as pool:
        rest = iter(items)
        waiting = deque(pool.submit(work, item) for item in islice(rest, READERS))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(work, item) for item in islice(rest, 1))
