"""Rows for the ledger, with made-up values in every column that has to have one."""

import datetime

import pyarrow as pa

from latentsep.catalogue.schema import REJECT, RESULT

_NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def _value(kind):
    if pa.types.is_string(kind):
        return "x"
    if pa.types.is_timestamp(kind):
        return _NOW
    return pa.scalar(0).cast(kind).as_py()


def _rows(schema, ids, attempt, further, values):
    ids = list(ids)
    columns = {
        field.name: pa.array(
            [None if field.nullable else _value(field.type)] * len(ids), field.type
        )
        for field in schema
    }
    columns["track_id"] = pa.array(ids, pa.string())
    columns["attempt"] = pa.array([attempt] * len(ids), pa.string())
    for name, cells in {**values, **further}.items():
        kind = schema.field(name).type if name in schema.names else None
        columns[name] = pa.array(cells, kind)
    return pa.table(columns)


def result_rows(ids, attempt="a", further=(), **values):
    """Results of these tracks; ``further`` are columns of the manifest."""
    ids = list(ids)
    defaults = {
        "uri": [f"s3://in/{track}.flac" for track in ids],
        "source_etag": [f"etag-{track}" for track in ids],
        "vocals_stem_uri": [f"s3://out/{track}/{attempt}/vocals.flac" for track in ids],
    }
    return _rows(RESULT, ids, attempt, dict(further), {**defaults, **values})


def reject_rows(ids, attempt="a", further=(), **values):
    """Rejects of these tracks."""
    return _rows(REJECT, ids, attempt, dict(further), values)


NO_RESULTS, NO_REJECTS = result_rows([]), reject_rows([])
