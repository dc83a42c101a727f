"""Finds everything that is wrong with a manifest, before any work. Vectorised: 10^6 rows are usual.

Regular expressions pick out the rows that are surely fine; the few others are judged one by one.
"""

import unicodedata
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from latentsep.catalogue.ledger_parts import unwritable_columns
from latentsep.catalogue.schema import MANIFEST_COLUMNS, REFERENCE_COLUMNS, reserved_names
from latentsep.catalogue.track_ids import MAX_TRACK_ID_BYTES, check_track_id, fold_track_id
from latentsep.errors import ConfigError, InvalidKeyError
from latentsep.storage import split_uri
from latentsep.storage.uris import is_local

_FINE_ID = r"^[A-Za-z0-9_-]([A-Za-z0-9 _.-]*[A-Za-z0-9_.-])?$"
_PART = r"/[^\p{Cc}/\\.][^\p{Cc}/\\]*"
_FINE_URI = rf"^(?:file://|s3://[A-Za-z0-9][A-Za-z0-9._-]{{1,62}})(?:{_PART})+$"
_FINE_URI_BYTES = 1000
# Escapes that may hide a dot, slash, backslash, control character or what is not UTF-8.
_ODD_ESCAPE = r"%(?:[01]|2[EeFf]|5[Cc]|7[Ff]|[89A-Fa-f])"
_SHOWN_CHARACTERS = 120

_Problem = tuple[int, str]
"""Position of a row from 0 on, and what is wrong with it."""


def check_manifest(table: pa.Table) -> list[str]:
    """Every problem of a manifest, one line each; empty if there is none.

    Lines name the row, counted from 1 without a header, and the value.

    Args:
        table: ``track_id``, ``uri``, ``duration_s`` and further columns, as ``inspect_manifest``
            makes it.
    """
    return check_rows(table, pa.array(range(1, table.num_rows + 1), pa.int64()))


def check_rows(table: pa.Table, row_numbers: pa.Array) -> list[str]:
    """The same for rows that are counted otherwise, since some before them could not be read.

    Args:
        table: as for ``check_manifest``.
        row_numbers: what each row is called.
    """
    problems = [
        *_missing_uris(table),
        *_unfit_ids(table),
        *_shared_ids(table, row_numbers),
        *_unfit_uris(table, "uri"),
        *_unfit_durations(table),
    ]
    for name in REFERENCE_COLUMNS:
        if name in table.column_names:
            problems += _unfit_uris(table, name)
    told = [f"row {row_numbers[at].as_py()}: {text}" for at, text in sorted(problems)]
    return [*_unfit_names(table.column_names), *_unfit_types(table.schema), *told]


def shown(value: object) -> str:
    """A value in one line of bounded length."""
    text = repr(value)
    if len(text) <= _SHOWN_CHARACTERS:
        return text
    return f"{text[:_SHOWN_CHARACTERS]}... ({len(text)} characters)"


def _unfit_names(names: list[str]) -> Iterator[str]:
    # Some readers of the results do not tell "Seed" from "seed".
    taken = {name.casefold() for name in (*reserved_names(), *MANIFEST_COLUMNS)}
    for place, name in enumerate(names, 1):
        if not name.strip():
            yield f"column {place} has no name"
        elif name not in MANIFEST_COLUMNS and name.casefold() in taken:
            yield f"column {shown(name)}: the results have a column of this name; rename it"


def _unfit_types(schema: pa.Schema) -> Iterator[str]:
    # The results carry these columns; a commit that cannot be written would end the job.
    for name in unwritable_columns(schema):
        kind = schema.field(name).type
        yield f"column {shown(name)} has the type {kind}, which Parquet cannot hold; leave it out"


def _missing_uris(table: pa.Table) -> Iterator[_Problem]:
    for at, _ in _where(_is_blank(table["uri"]), table["uri"]):
        yield at, "uri is empty"


def _unfit_ids(table: pa.Table) -> Iterator[_Problem]:
    ids = table["track_id"]
    is_fine = pc.and_(
        pc.match_substring_regex(ids, _FINE_ID),
        pc.less_equal(pc.binary_length(ids), MAX_TRACK_ID_BYTES),
    )
    # A row without a URI gets no id made, which is not a problem of its own.
    asked = pc.and_not(_is_not(is_fine), _is_blank(table["uri"]))
    for at, track_id in _where(asked, ids):
        if objection := check_track_id(track_id or ""):
            yield at, f"track_id {shown(track_id or '')} {objection}"


def _shared_ids(table: pa.Table, row_numbers: pa.Array) -> Iterator[_Problem]:
    ids = table["track_id"]
    for at, first in _repeats(_folded_column(ids)):
        mine, other, row = ids[at].as_py(), ids[first].as_py(), row_numbers[first].as_py()
        if mine == other:
            yield at, f"track_id {shown(mine)} is also that of row {row}; ids must be unique"
        else:
            yield (
                at,
                f"track_id {shown(mine)} and {shown(other)} of row {row} differ only in case or "
                "in how accents are coded; some disks take them for one name",
            )


def _folded_column(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array([_folded(chunk) for chunk in ids.chunks], pa.string())


def _folded(ids: pa.Array) -> pa.Array:
    is_other = pc.fill_null(pc.invert(pc.string_is_ascii(ids)), fill_value=False)
    others = [fold_track_id(track_id) for track_id in ids.filter(is_other).to_pylist()]
    return pc.replace_with_mask(pc.ascii_lower(ids), is_other, pa.array(others, pa.string()))


def _repeats(keys: pa.ChunkedArray) -> Iterator[tuple[int, int]]:
    """Position of each row whose key an earlier row has, and the first row with that key."""
    rows = pa.table({"key": keys, "at": pa.array(range(len(keys)), pa.int64())})
    rows = rows.filter(pc.is_valid(rows["key"]))
    groups = rows.group_by("key").aggregate([("at", "min"), ("at", "count")])
    shared = groups.filter(pc.greater(groups["at_count"], 1))
    if not shared.num_rows:
        return
    members = rows.join(shared, "key", join_type="inner")
    later = members.filter(pc.not_equal(members["at"], members["at_min"]))
    yield from zip(later["at"].to_pylist(), later["at_min"].to_pylist(), strict=True)


def _unfit_uris(table: pa.Table, name: str) -> Iterator[_Problem]:
    """Empty cells are passed over: where a value is needed, that is told elsewhere."""
    uris = table[name]
    is_fine = pc.and_(
        pc.and_not(
            pc.match_substring_regex(uris, _FINE_URI), pc.match_substring_regex(uris, _ODD_ESCAPE)
        ),
        pc.less_equal(pc.binary_length(uris), _FINE_URI_BYTES),
    )
    for at, uri in _where(pc.and_not(_is_not(is_fine), _is_blank(uris)), uris):
        if objection := _uri_objection(uri):
            yield at, f"{name} {shown(uri)}: {objection}"


def _uri_objection(uri: str) -> str | None:
    try:
        split_uri(uri)
        if "://" in uri and is_local(uri):
            unquote(uri, errors="strict")
    except UnicodeDecodeError:
        return "the name of the file is not UTF-8; rename it"
    except (ConfigError, InvalidKeyError) as error:
        return _one_line(str(error).removeprefix(f"{uri}: ").removeprefix(f"{uri!r}: "))
    return None


def _one_line(text: str) -> str:
    line = "".join("?" if unicodedata.category(char) == "Cc" else char for char in text)
    longest = 4 * _SHOWN_CHARACTERS
    return line if len(line) <= longest else f"{line[:longest]}..."


def _unfit_durations(table: pa.Table) -> Iterator[_Problem]:
    durations = table["duration_s"]
    is_fine = pc.and_(pc.is_finite(durations), pc.greater_equal(durations, 0))
    for at, duration_s in _where(pc.invert(pc.fill_null(is_fine, fill_value=True)), durations):
        yield at, f"duration_s is {duration_s}, allowed are seconds from 0 on; or leave it empty"


def _is_blank(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.fill_null(pc.equal(pc.utf8_trim_whitespace(column), ""), fill_value=True)


def _is_not(mask: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.invert(pc.fill_null(mask, fill_value=False))


def _where(mask: pa.ChunkedArray, column: pa.ChunkedArray) -> Iterator[tuple[int, Any]]:
    """Position and value of each row that the mask picks."""
    positions = pc.indices_nonzero(mask)
    yield from zip(positions.to_pylist(), column.filter(mask).to_pylist(), strict=True)
