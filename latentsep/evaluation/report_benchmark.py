"""What the report of a large output costs: a made-up ledger is read, drawn, and read on."""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from latentsep.catalogue.ledger_parts import REJECTS, RESULTS, PartKind, Stamp, part_bytes
from latentsep.catalogue.run_identity import open_run
from latentsep.report.page import page_html
from latentsep.report.read import ReportReader
from latentsep.storage import StoreSettings
from latentsep.storage.local import LocalStore

PART_ROWS = 10_000
REJECT_SHARE = 0.05
_COMMIT_EVERY = timedelta(minutes=5)
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_STAND_IN: dict[pa.DataType, Any] = {
    pa.string(): "0" * 32, pa.int64(): 1_000_000, pa.int32(): 2, pa.bool_(): False,
}  # fmt: skip

Made = TypeVar("Made")


@dataclass(frozen=True)
class ReportCost:
    """Cost of the report of one output; memory is that of the whole process.

    Attributes:
        read_s: to read it all.
        compared_s: the same beside an earlier run of the same tracks.
        read_on_s: to read it again after one more commit, as a live page does.
        page_s: to make the page, which has no sound.
        page_bytes: size of that.
        start_bytes, read_bytes, compared_bytes: largest memory before, after the first reading,
            and after the comparison.
    """

    results: int
    rejects: int
    ledger_bytes: int
    read_s: float
    compared_s: float
    read_on_s: float
    page_s: float
    page_bytes: int
    start_bytes: int
    read_bytes: int
    compared_bytes: int


def measure_report(tracks: int, random: np.random.Generator) -> ReportCost:
    """Make two runs of ``tracks`` results, then report on the second.

    Args:
        tracks: results of each; a twentieth as many more are rejected.
        random: draws what is measured of the tracks.
    """
    with tempfile.TemporaryDirectory(prefix="latentsep-report-") as name:
        before, after = (LocalStore(Path(name) / run) for run in ("before", "after"))
        rejects = round(tracks * REJECT_SHARE)
        for store in (before, after):
            open_run(store, {"model": "none"}, {})
            _fill(store, RESULTS, tracks, random)
            _fill(store, REJECTS, rejects, random)
        size = sum(path.stat().st_size for path in (Path(name) / "after").rglob("*.parquet"))
        start_bytes = _peak_bytes()
        reader = ReportReader(after, StoreSettings(), out="benchmark")
        read_s, report = _timed(lambda: reader.read(excerpts=False))
        page_s, page = _timed(lambda: page_html(report))
        read_bytes = _peak_bytes()
        beside = ReportReader(after, StoreSettings(), out="benchmark", against=before.uri)
        compared_s, _ = _timed(lambda: beside.read(excerpts=False))
        compared_bytes = _peak_bytes()
        later = np.arange(tracks, tracks + PART_ROWS)
        _write_part(after, RESULTS, len(range(0, tracks, PART_ROWS)) + 1, later, random)
        read_on_s, _ = _timed(lambda: reader.read(excerpts=False))
    return ReportCost(
        results=tracks,
        rejects=rejects,
        ledger_bytes=size,
        read_s=read_s,
        compared_s=compared_s,
        read_on_s=read_on_s,
        page_s=page_s,
        page_bytes=len(page.encode()),
        start_bytes=start_bytes,
        read_bytes=read_bytes,
        compared_bytes=compared_bytes,
    )


def _fill(store: LocalStore, kind: PartKind, rows: int, random: np.random.Generator) -> None:
    first = 0 if kind is RESULTS else 1_000_000_000
    pieces = range(0, rows, PART_ROWS)
    for number, start in enumerate(pieces, 1):
        ids = first + np.arange(start, min(rows, start + PART_ROWS))
        _write_part(store, kind, number, ids, random)


def _write_part(
    store: LocalStore,
    kind: PartKind,
    number: int,
    numbers: np.ndarray[Any, np.dtype[np.int64]],
    random: np.random.Generator,
) -> None:
    """A part whose texts differ from row to row where those of a real one do."""
    ids = [f"track-{each:012d}" for each in numbers]
    committed_at = _BEGIN + number * _COMMIT_EVERY

    def column(field: pa.Field) -> pa.Array:
        if field.name == "track_id":
            return pa.array(ids)
        if field.name == "uri" or field.name.endswith("_uri"):
            return pa.array([f"s3://catalogue/{field.name}/{each}/0123456789ab" for each in ids])
        if field.type == pa.float64():
            is_level = field.name.endswith(("_db", "_lufs"))
            middle, spread = (-20.0, 6.0) if is_level else (0.5, 0.2)
            return pa.array(random.normal(middle, spread, len(ids)))
        value = committed_at if field.name == "committed_at" else _STAND_IN.get(field.type)
        return pa.array([value] * len(ids), field.type)

    rows = pa.table([column(field) for field in kind.schema], schema=kind.schema)
    store.write(kind.key(number), part_bytes(rows, Stamp("benchmark", "")))


def _timed(work: Callable[[], Made]) -> tuple[float, Made]:
    began_s = time.perf_counter()
    made = work()
    return time.perf_counter() - began_s, made


def _peak_bytes() -> int:
    """Largest resident memory of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
