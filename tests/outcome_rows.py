"""Rows as workers make them, for tests that need no audio."""

import pyarrow as pa

from latentsep.catalogue.schema import RESULT
from latentsep.pipeline.catalogue_track import reject_row
from latentsep.pipeline.rejects import Reject
from latentsep.pipeline.rows import ManifestRow, Outcome, outcome_table, run_columns

_VALUES = {"string": "text", "double": 1.5, "int64": 7, "int32": 3}


def result_row(track_id, **changes):
    """A complete result row with made-up values."""
    row = {item.name: _VALUES.get(str(item.type)) for item in RESULT}
    row |= {"track_id": track_id, "uri": f"file:///{track_id}.wav", "duration_s": 60.0}
    return row | run_columns("run", "attempt") | changes


def rejected(track_id, stage="load", error_class="AudioDecodeError", retryable=False):
    reject = Reject(f"file:///{track_id}.wav", stage, error_class, "is broken", retryable)
    return Outcome(reject=reject_row(ManifestRow(track_id, reject.source), reject, "run", "a"))


def manifest(track_ids, **further):
    """A manifest of these ids, with further columns."""
    return pa.table(
        {
            "track_id": pa.array(track_ids, pa.string()),
            "uri": pa.array([f"file:///{track_id}.wav" for track_id in track_ids], pa.string()),
            "duration_s": pa.array([None] * len(track_ids), pa.float64()),
            **further,
        }
    )


def outcomes(track_ids, rejected_ids=(), **further):
    """An outcome table; the ids in ``rejected_ids`` are rejects."""
    made = [
        rejected(track_id) if track_id in rejected_ids else Outcome(result=result_row(track_id))
        for track_id in track_ids
    ]
    return outcome_table(manifest(track_ids, **further), made)
