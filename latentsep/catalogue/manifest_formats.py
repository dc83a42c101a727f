"""Manifests as files: Parquet, CSV and JSON lines, from and to any store."""

import codecs
import csv
import gzip
import io
import json
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from latentsep.errors import InvalidKeyError, ManifestError, StoreError
from latentsep.storage import StoreSettings, open_store, split_uri

_MIB = 1024 * 1024
CSV_BLOCK_BYTES = 16 * _MIB
"""A row may not be longer."""
JSON_LINE_BYTES = 16 * _MIB
JSON_BATCH_ROWS = 10_000
"""Rows are Python objects before they are columns; so many of them are at once."""


@dataclass(frozen=True)
class ManifestRows:
    """What a file holds, as it is.

    Attributes:
        table: the rows that could be read.
        row_numbers: what each of them is called: the data row, or the line of a JSON file.
        problems: one line for each row that could not be read.
    """

    table: pa.Table
    row_numbers: pa.Array
    problems: list[str] = field(default_factory=list)


def ending_of(uri: str) -> str:
    """The format of a manifest by the end of its name, ``.gz`` included; empty if it is none."""
    name = uri.lower().rpartition("/")[2]
    plain = name.removesuffix(".gz")
    ending = next((ending for ending in _READERS if plain.endswith(ending)), "")
    if plain == name or ending not in _GZIPPED:
        return ending if plain == name else ""
    return f"{ending}.gz"


def read_rows(uri: str, settings: StoreSettings) -> ManifestRows:
    """Read a manifest file of any format.

    Raises:
        ManifestError: there is none, it may not be read, or it is damaged.
        StoreError: its store cannot be reached now; ``retryable``.
    """
    ending = _known_ending(uri)
    try:
        store_uri, key = split_uri(uri)
        with open_store(store_uri, settings).open(key) as file:
            if not ending.endswith(".gz"):
                return _READERS[ending](file)
            with gzip.open(file) as plain:
                return _READERS[ending.removesuffix(".gz")](cast("BinaryIO", plain))
    except StoreError as error:
        if error.retryable:
            raise
        reason = str(error).removeprefix(f"{uri}: ")
        raise ManifestError(f"manifest {uri} cannot be read: {reason}") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"manifest {uri} is not UTF-8: {error.reason}; convert it") from error
    except (OSError, EOFError, zlib.error, csv.Error, pa.ArrowException) as error:
        raise ManifestError(f"manifest {uri} is damaged: {_first_line(error)}") from error
    except ManifestError as error:
        raise ManifestError(f"manifest {uri} {error}") from error


def write_manifest(table: pa.Table, uri: str, settings: StoreSettings) -> None:
    """Write rows as a manifest of the format that the end of the name says; replaces it.

    Raises:
        ManifestError: the name says none, or the format cannot hold one of the columns.
        StoreError: the store refuses it.
    """
    ending = _known_ending(uri)
    try:
        data = _WRITERS[ending.removesuffix(".gz")](table)
    except pa.ArrowException as error:
        raise ManifestError(
            f"manifest {uri} cannot hold these columns: {_first_line(error)}; take .parquet"
        ) from error
    try:
        store_uri, key = split_uri(uri)
    except InvalidKeyError as error:
        raise ManifestError(f"manifest {uri} cannot be written: {error}") from error
    open_store(store_uri, settings).write(
        key, gzip.compress(data, mtime=0) if ending.endswith(".gz") else data
    )


def _known_ending(uri: str) -> str:
    if ending := ending_of(uri):
        return ending
    allowed = ", ".join([*_READERS, *(f"{ending}.gz" for ending in _GZIPPED)])
    raise ManifestError(f"manifest {uri} has an ending that says no format; allowed are {allowed}")


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _numbers(count: int) -> pa.Array:
    return pa.array(range(1, count + 1), pa.int64())


def _read_parquet(file: BinaryIO) -> ManifestRows:
    # Nothing of pandas' own: its notes about an index do not fit the tables made from this one.
    table = pq.ParquetFile(file).read().replace_schema_metadata(None)
    return ManifestRows(table, _numbers(table.num_rows))


def _read_csv(file: BinaryIO) -> ManifestRows:
    """All columns as text: an id ``007`` stays as it is; empty cells are null."""
    names, has_rows = _csv_header(file)
    if not has_rows:
        no_rows = pa.array([], pa.string())
        return ManifestRows(pa.Table.from_arrays([no_rows] * len(names), names), _numbers(0))
    file.seek(0)
    bad: dict[int, str] = {}

    def skip(row: Any) -> str:  # noqa: ANN401 - pyarrow's InvalidRow has no stub
        number = row.number - 1  # it counts the header too
        bad[number] = (
            f"row {number}: has {row.actual_columns} cells, the header has {row.expected_columns}"
        )
        return "skip"

    table = arrow_csv.read_csv(
        file,
        # Rows are numbered only where one thread reads.
        read_options=arrow_csv.ReadOptions(use_threads=False, block_size=CSV_BLOCK_BYTES),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), null_values=[""],
            strings_can_be_null=True, quoted_strings_can_be_null=True,
        ),
    )  # fmt: skip
    count = table.num_rows + len(bad)
    numbers = [number for number in range(1, count + 1) if number not in bad]
    return ManifestRows(table, pa.array(numbers, pa.int64()), [bad[row] for row in sorted(bad)])


def _csv_header(file: BinaryIO) -> tuple[list[str], bool]:
    """Names of the columns, and whether anything follows."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    text = decoder.decode(file.read(_MIB))
    rows = csv.reader(io.StringIO(text, newline=""))
    names = next((row for row in rows if row), [])
    if not names:
        raise ManifestError("is empty; the first line of a CSV manifest names its columns")
    return names, any(rows)


def _read_jsonl(file: BinaryIO) -> ManifestRows:
    tables, numbers, problems, batch = [], [], [], []
    for number, line in enumerate(_lines(file), 1):
        row = _json_row(line)
        if isinstance(row, str):
            problems.append(f"line {number}: {row}")
        elif row is not None:
            batch.append(row)
            numbers.append(number)
        if len(batch) == JSON_BATCH_ROWS:
            tables.append(_json_table(batch, numbers[-len(batch) :]))
            batch = []
    if batch:
        tables.append(_json_table(batch, numbers[-len(batch) :]))
    if not tables and not problems:
        raise ManifestError("is empty")
    table = pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({})
    return ManifestRows(table, pa.array(numbers, pa.int64()), problems)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    line = file.readline(JSON_LINE_BYTES).removeprefix(codecs.BOM_UTF8)
    while line:
        if len(line) == JSON_LINE_BYTES:
            raise ManifestError(f"has a line of over {JSON_LINE_BYTES // _MIB} MiB")
        yield line
        line = file.readline(JSON_LINE_BYTES)


def _json_row(line: bytes) -> dict[str, Any] | str | None:
    """The object of one line, what is wrong with it, or nothing for a blank line."""
    if not line.strip():
        return None
    try:
        row = json.loads(line.decode())
    except UnicodeDecodeError:
        return "is not UTF-8"
    except RecursionError:
        return "is nested too deeply"
    except ValueError as error:
        return f"is no JSON: {error}"
    if not isinstance(row, dict):
        return 'is no JSON object; write one like {"uri": "song.flac"} on each line'
    if isinstance(row.get("track_id"), int) and not isinstance(row["track_id"], bool):
        # Numbers and texts may be mixed, and numbers be larger than any column of integers holds.
        row["track_id"] = str(row["track_id"])
    return row


def _json_table(rows: list[dict[str, Any]], numbers: list[int]) -> pa.Table:
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: _json_column(name, rows, numbers) for name in names}
    return pa.table(columns)


def _json_column(name: str, rows: list[dict[str, Any]], numbers: list[int]) -> pa.Array:
    try:
        return pa.array([row.get(name) for row in rows])
    except (pa.ArrowException, OverflowError, UnicodeEncodeError) as error:
        raise ManifestError(
            f"has a column {name!r} that is no column, in lines {numbers[0]} to {numbers[-1]}: "
            f"{_first_line(error)}"
        ) from error


def _write_parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return cast("bytes", sink.getvalue().to_pybytes())


def _write_csv(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    arrow_csv.write_csv(table, sink)
    return cast("bytes", sink.getvalue().to_pybytes())


def _write_jsonl(table: pa.Table) -> bytes:
    lines = io.StringIO()
    for batch in table.to_batches(JSON_BATCH_ROWS):
        for row in batch.to_pylist():
            known = {name: value for name, value in row.items() if not _is_nothing(value)}
            lines.write(json.dumps(known, ensure_ascii=False, default=str) + "\n")
    return lines.getvalue().encode()


def _is_nothing(value: object) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))


_READERS: dict[str, Callable[[BinaryIO], ManifestRows]] = {
    ".parquet": _read_parquet,
    ".pq": _read_parquet,
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
}
_WRITERS: dict[str, Callable[[pa.Table], bytes]] = {
    ".parquet": _write_parquet,
    ".pq": _write_parquet,
    ".csv": _write_csv,
    ".jsonl": _write_jsonl,
    ".ndjson": _write_jsonl,
}
_GZIPPED = (".csv", ".jsonl", ".ndjson")
