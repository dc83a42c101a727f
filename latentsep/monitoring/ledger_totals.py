"""What rows of the ledger add to the driver's metrics: all of them at a start, then each commit's.

Only whole columns are looked at. A part of 10,000 rows is read, counted and let go before the next
one, so the memory does not grow with the ledger.
"""

from itertools import product

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from latentsep.catalogue.ledger import read_rejects, read_results
from latentsep.catalogue.schema import STEM_NAMES
from latentsep.monitoring import definitions
from latentsep.monitoring.definitions import OTHER_REASON, REASONS, TRACK_STAGES, Metric
from latentsep.monitoring.values import MetricValues, Numbers
from latentsep.storage import Store

_COUNTED: tuple[tuple[str, Metric, tuple[str, ...]], ...] = (
    ("duration_s", definitions.AUDIO_SECONDS, ()),
    ("source_bytes", definitions.STAGE_BYTES, ("fetch", "in")),
    *((f"{stem}_stem_bytes", definitions.STAGE_BYTES, ("upload", "out")) for stem in STEM_NAMES),
)
"""Columns whose sums are counters, and the labels of these."""
_OBSERVED: tuple[tuple[str, Metric, tuple[str, ...]], ...] = (
    *((f"{stage}_s", definitions.STAGE_SECONDS, (stage,)) for stage in TRACK_STAGES),
    ("vocal_activity_ratio", definitions.VOCAL_ACTIVITY, ()),
    ("bleed_db", definitions.BLEED, ()),
    ("draw_spread_db", definitions.DRAW_SPREAD, ()),
    ("mixture_clipped_samples", definitions.CLIPPED_SAMPLES, ("mixture",)),
    ("limited_samples", definitions.CLIPPED_SAMPLES, ("vocals",)),
    *(
        (f"{signal}_loudness_lufs", definitions.LOUDNESS, (signal,))
        for signal in ("mixture", *STEM_NAMES)
    ),
    *((f"{stem}_si_sdr_db", definitions.SI_SDR, (stem,)) for stem in STEM_NAMES),
)
"""Columns whose values are observed, and the labels of their histograms."""
RESULT_COLUMNS = tuple(column for column, _, _ in (*_COUNTED, *_OBSERVED))
REJECT_COLUMNS = ("stage", "error_class")


def add_ledger(values: MetricValues, store: Store) -> None:
    """Count every row of an output's ledger.

    Raises:
        LedgerError: a part is missing or damaged.
    """
    add_results(values, _no_rows(RESULT_COLUMNS))
    add_rejects(values, _no_rows(REJECT_COLUMNS))
    # A counter that appears with its first count shows no increase.
    for labels in product(*(label.values for label in definitions.REJECTS.labels)):
        values.count(definitions.REJECTS, 0, *labels)
    for results in read_results(store, RESULT_COLUMNS):
        add_results(values, results)
    for rejects in read_rejects(store, REJECT_COLUMNS):
        add_rejects(values, rejects)


def add_results(values: MetricValues, results: pa.Table) -> None:
    """Count result rows; those of no rows make their series exist, at zero."""
    with values.at_once():
        values.count(definitions.TRACKS, results.num_rows, "separated")
        for column, metric, labels in _COUNTED:
            values.count(metric, float(pc.sum(results.column(column)).as_py() or 0), *labels)
        for column, metric, labels in _OBSERVED:
            values.observe_all(metric, _numbers(results.column(column)), *labels)


def add_rejects(values: MetricValues, rejects: pa.Table) -> None:
    """Count reject rows."""
    groups = (
        rejects.select(REJECT_COLUMNS).group_by(list(REJECT_COLUMNS)).aggregate([([], "count_all")])
    )
    with values.at_once():
        values.count(definitions.TRACKS, rejects.num_rows, "rejected")
        for group in groups.to_pylist():
            values.count(
                definitions.REJECTS,
                group["count_all"],
                group["stage"],
                reason_of(group["error_class"]),
            )


def reason_of(error_class: str) -> str:
    """The label of an error class: itself if it is one of ours."""
    return error_class if error_class in REASONS else OTHER_REASON


def _numbers(column: pa.ChunkedArray) -> Numbers:
    return np.asarray(column.drop_null().to_numpy(), np.float64)


def _no_rows(columns: tuple[str, ...]) -> pa.Table:
    kind = pa.string() if columns == REJECT_COLUMNS else pa.float64()
    return pa.schema([(column, kind) for column in columns]).empty_table()
