"""The manifest: one row for each track of a catalogue, checked as a whole before any work."""

import pyarrow as pa
import pyarrow.compute as pc

from latentsep.catalogue.manifest_check import check_rows, shown
from latentsep.catalogue.manifest_formats import ending_of, read_rows
from latentsep.catalogue.manifest_uris import absolute_uris, base_of
from latentsep.catalogue.schema import MANIFEST_COLUMNS, REFERENCE_COLUMNS
from latentsep.catalogue.track_ids import track_id_of
from latentsep.errors import ManifestError
from latentsep.storage import StoreSettings

SHOWN_PROBLEMS = 20
_ALIASES = {"uri": "audio_filepath", "duration_s": "duration"}
"""What NeMo's manifests call our columns."""


def is_manifest(uri: str) -> bool:
    """Whether the end of a name says that it is a manifest, and not a folder or an audio file."""
    return bool(ending_of(uri))


def read_manifest(uri: str, settings: StoreSettings) -> pa.Table:
    """Read and check a manifest.

    Args:
        uri: of a Parquet, CSV or JSON lines file, in any store.
        settings: of the store it lies in.

    Returns:
        ``track_id``, ``uri`` (absolute) and ``duration_s`` (null where unknown), then the further
        columns as they are, except that references are absolute URIs too.

    Raises:
        ManifestError: it cannot be read, or has problems; the first 20 are in the text.
        StoreError: its store cannot be reached now; ``retryable``.
    """
    table, problems = inspect_manifest(uri, settings)
    if problems:
        raise problems_error(f"manifest {uri}", problems, "latentsep manifest check")
    return table


def problems_error(what: str, problems: list[str], command: str) -> ManifestError:
    """The error for a manifest that cannot be run; the first 20 problems are in its text.

    Args:
        what: the manifest, as the error calls it.
        problems: all of them, as ``check_manifest`` gives them.
        command: that lists them all.
    """
    told = "; ".join(problems[:SHOWN_PROBLEMS])
    more = len(problems) - SHOWN_PROBLEMS
    rest = f"; and {more} more, `{command}` lists all" if more > 0 else ""
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    return ManifestError(f"{what} has {count}: {told}{rest}", problems)


def inspect_manifest(uri: str, settings: StoreSettings) -> tuple[pa.Table, list[str]]:
    """The same table, and every problem it has, one line each.

    Raises:
        ManifestError: it cannot be read at all, or has no column ``uri``.
        StoreError: its store cannot be reached now; ``retryable``.
    """
    rows = read_rows(uri, settings)
    if not rows.table.num_columns:
        return rows.table, rows.problems
    try:
        table, unfit = _normalised(rows.table, rows.row_numbers, base_of(uri))
    except ManifestError as error:
        raise ManifestError(f"manifest {uri} {error}") from error
    problems = [*rows.problems, *unfit, *check_rows(table, rows.row_numbers)]
    if not table.num_rows and not problems:
        problems = ["the manifest has no rows"]
    return table, problems


def _normalised(table: pa.Table, row_numbers: pa.Array, base: str) -> tuple[pa.Table, list[str]]:
    """Our columns first and of our types, then the further ones; and what could not be made."""
    table = _named(table)
    uris = absolute_uris(_text(table, "uri"), base)
    durations, problems = _durations(table, row_numbers)
    columns = {"track_id": _ids(table, uris), "uri": uris, "duration_s": durations}
    for name in table.column_names:
        if name in REFERENCE_COLUMNS:
            columns[name] = absolute_uris(_text(table, name), base)
        elif name not in MANIFEST_COLUMNS:
            columns[name] = table[name]
    return pa.table(columns), problems


def _named(table: pa.Table) -> pa.Table:
    """With our names for the columns that we need."""
    names = list(table.column_names)
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ManifestError(f"has several columns of one name: {', '.join(map(shown, twice))}")
    for ours, alias in _ALIASES.items():
        if ours not in names and alias in names:
            names[names.index(alias)] = ours
    if "uri" not in names:
        found = ", ".join(shown(name) for name in names[:SHOWN_PROBLEMS])
        raise ManifestError(
            f"has no column 'uri' or 'audio_filepath'; its columns are {found}; "
            "in CSV a comma parts the cells"
        )
    return table.rename_columns(names)


def _text(table: pa.Table, name: str) -> pa.ChunkedArray:
    column = table[name]
    if not _is_text(column.type) and not pa.types.is_null(column.type):
        raise ManifestError(f"has a column {name!r} of type {column.type}, needed is text")
    return column.cast(pa.string())


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _ids(table: pa.Table, uris: pa.ChunkedArray) -> pa.ChunkedArray:
    given = _given_ids(table)
    is_missing = pc.and_(pc.is_null(given), pc.not_equal(pc.fill_null(uris, ""), ""))
    if not pc.any(is_missing).as_py():
        return given
    made = pa.array(map(track_id_of, uris.filter(is_missing).to_pylist()), pa.string())
    counted = pc.subtract(pc.cumulative_sum(is_missing.cast(pa.int64())), 1)
    return pc.coalesce(given, made.take(pc.if_else(is_missing, counted, None)))


def _given_ids(table: pa.Table) -> pa.ChunkedArray:
    if "track_id" not in table.column_names:
        return pa.chunked_array([pa.nulls(table.num_rows, pa.string())])
    if pa.types.is_integer(table["track_id"].type):
        return table["track_id"].cast(pa.string())
    return _text(table, "track_id")


def _durations(table: pa.Table, row_numbers: pa.Array) -> tuple[pa.ChunkedArray, list[str]]:
    if "duration_s" not in table.column_names:
        return pa.chunked_array([pa.nulls(table.num_rows, pa.float64())]), []
    column = table["duration_s"]
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return column.cast(pa.float64(), safe=False), []
    texts = pc.utf8_trim_whitespace(_text(table, "duration_s"))
    texts = pc.if_else(pc.equal(texts, ""), None, texts)
    try:
        return texts.cast(pa.float64()), []
    except pa.ArrowInvalid:
        return _durations_one_by_one(texts, row_numbers)


def _durations_one_by_one(
    texts: pa.ChunkedArray, row_numbers: pa.Array
) -> tuple[pa.ChunkedArray, list[str]]:
    durations, problems = [], []
    for number, text in zip(row_numbers.to_pylist(), texts.to_pylist(), strict=True):
        try:
            durations.append(None if text is None else float(text))
        except ValueError:
            durations.append(None)
            problems.append(f"row {number}: duration_s {shown(text)} is no number of seconds")
    return pa.chunked_array([pa.array(durations, pa.float64())]), problems
