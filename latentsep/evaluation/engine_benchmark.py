"""What the engine costs per track: the whole job with workers that touch no audio."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from latentsep.catalogue.ledger import Ledger
from latentsep.catalogue.manifest import read_manifest
from latentsep.catalogue.plan import plan_job
from latentsep.catalogue.schema import RESULT
from latentsep.monitoring.recorder import NoRecorder, Recorder
from latentsep.pipeline.engine import RayEngine
from latentsep.pipeline.job import JobRequest, run_job
from latentsep.pipeline.job_config import JobConfig
from latentsep.pipeline.job_status import JobProgress
from latentsep.pipeline.rows import Outcome, Row, manifest_rows, outcome_table, run_columns
from latentsep.pipeline.starts import StartCounter, Starts
from latentsep.pipeline.stop import StopRequest
from latentsep.pipeline.worker import SeparatorWorker, WorkerSpec
from latentsep.storage import StoreSettings
from latentsep.storage.local import LocalStore

_STAND_IN = {pa.string(): "0" * 32, pa.float64(): 0.5, pa.int64(): 1_000_000, pa.int32(): 2}


@dataclass(frozen=True)
class EngineReport:
    """One run of the engine without audio, and the plan of a second run."""

    tracks: int
    first_row_s: float
    rows_s: float
    whole_s: float
    per_track_ms: float
    driver_start_bytes: int
    driver_peak_bytes: int
    ledger_bytes: int
    resume_plan_s: float


class StubWorker(SeparatorWorker):
    """Makes result rows of the real size at once; asks and tells the counter of starts as usual."""

    def __init__(
        self,
        spec: WorkerSpec,
        starts_of: Callable[[], Starts] = StartCounter,
        recorder_of: Callable[[], Recorder] = NoRecorder,
    ) -> None:
        self._spec = spec
        self._starts = starts_of()

    def __call__(self, block: pa.Table) -> pa.Table:
        """Made-up outcomes of a block."""
        rows = manifest_rows(block)
        self._starts.counts([row.track_id for row in rows])
        outcomes = []
        for row in rows:
            self._starts.begin(row.track_id)
            outcomes.append(Outcome(result=self._row(row.track_id, row.uri)))
            self._starts.end(row.track_id)
        return outcome_table(block, outcomes)

    def _row(self, track_id: str, uri: str) -> Row:
        row: Row = {item.name: _STAND_IN.get(item.type) for item in RESULT}
        made = {"track_id": track_id, "uri": uri, "duration_s": 210.0}
        return {**row, **made, **run_columns(self._spec.run_id, "0" * 12)}


def measure_engine(tracks: int, config: JobConfig) -> EngineReport:
    """Run ``tracks`` rows through driver, Ray Data, workers without audio, and ledger."""
    with tempfile.TemporaryDirectory(prefix="latentsep-engine-") as name:
        folder = Path(name)
        manifest = _manifest(folder / "manifest.parquet", tracks)
        watch = _Watch()
        request = JobRequest(str(manifest), str(folder / "out"), config)
        began_s = time.perf_counter()
        run_job(request, StopRequest(), watch, RayEngine(None, config.workers, StubWorker))
        whole_s = time.perf_counter() - began_s
        resume_s = _time_resume(manifest, folder / "out")
        rows_s = watch.last_s - watch.first_s
        parts = (folder / "out" / "results").glob("*.parquet")
        return EngineReport(
            tracks=tracks,
            first_row_s=watch.first_s - began_s,
            rows_s=rows_s,
            whole_s=whole_s,
            per_track_ms=1000 * rows_s / max(1, tracks - watch.first_rows),
            driver_start_bytes=watch.start_bytes,
            driver_peak_bytes=watch.peak_bytes,
            ledger_bytes=sum(part.stat().st_size for part in parts),
            resume_plan_s=resume_s,
        )


def _manifest(path: Path, tracks: int) -> Path:
    ids = [f"track-{number:09d}" for number in range(tracks)]
    uris = [f"s3://catalogue/{track_id}.flac" for track_id in ids]
    durations = pa.array([210.0] * tracks, pa.float64())
    pq.write_table(pa.table({"track_id": ids, "uri": uris, "duration_s": durations}), path)
    return path


def _time_resume(manifest: Path, out: Path) -> float:
    began_s = time.perf_counter()
    table = read_manifest(str(manifest), StoreSettings())
    plan_job(table, Ledger(LocalStore(out), "benchmark").load())
    return time.perf_counter() - began_s


class _Watch:
    """Looks at the driver whenever the job tells of its progress."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self.start_bytes = self.peak_bytes = self._process.memory_info().rss
        self.first_s = self.last_s = 0.0
        self.first_rows = self._rows = 0

    def __call__(self, progress: JobProgress) -> None:
        self.peak_bytes = max(self.peak_bytes, self._process.memory_info().rss)
        if progress.tried == self._rows:
            return
        self._rows, self.last_s = progress.tried, time.perf_counter()
        if not self.first_rows:
            self.first_rows, self.first_s = self._rows, self.last_s
