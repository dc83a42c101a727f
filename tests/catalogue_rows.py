"""Rows of the ledger with made-up values, as a driver gets them from its workers."""

import pyarrow as pa

from latentsep.catalogue.schema import REJECT, RESULT


def _value(kind):
    if pa.types.is_string(kind):
        return "x"
    return False if pa.types.is_boolean(kind) else 1


def _rows(schema, ids, **columns):
    count = len(ids)
    made = {}
    for item in schema:
        value = None if item.name == "committed_at" or item.nullable else _value(item.type)
        made[item.name] = pa.array([value] * count, item.type)
    made["track_id"] = pa.array(ids, pa.string())
    made["uri"] = pa.array([f"s3://music/{track_id}.wav" for track_id in ids], pa.string())
    for name, value in columns.items():
        known = schema.field(name).type if name in schema.names else None
        values = value if isinstance(value, list) else [value] * count
        made[name] = pa.array(values, known)
    return pa.table(made)


def result_rows(*ids, **columns):
    return _rows(RESULT, list(ids), **columns)


def reject_rows(*ids, **columns):
    return _rows(REJECT, list(ids), **columns)


NO_RESULTS = result_rows()
NO_REJECTS = reject_rows()
