"""How far a job is: counted by the driver, written to OUT/status.json, read by ``status``."""

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from latentsep.catalogue.plan import JobPlan
from latentsep.pipeline.cluster import WorkerPool


@dataclass
class JobProgress:
    """Counts of one job.

    Attributes:
        finished: result rows that reached the driver.
        rejected: reject rows that did.
        audio_done_s: audio in the result rows.
        reasons: reject rows by stage and error class.
        last_worker_speed: of the last job; what status.json goes on to tell until this one knows.
    """

    manifest_uri: str
    run_id: str
    job: str
    plan: JobPlan
    last_worker_speed: float | None = None
    finished: int = 0
    rejected: int = 0
    audio_done_s: float = 0.0
    pool: WorkerPool | None = None
    device: str | None = None
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    _committed: tuple[int, int, float] = (0, 0, 0.0)
    _began_s: float = field(default_factory=time.monotonic)
    _working_since_s: float | None = None

    def add(self, results: pa.Table, rejects: pa.Table) -> None:
        """Count rows that reached the driver."""
        self.finished += results.num_rows
        self.rejected += rejects.num_rows
        stages, classes = rejects.column("stage"), rejects.column("error_class")
        self.reasons.update(zip(stages.to_pylist(), classes.to_pylist(), strict=True))
        if results.num_rows:
            self.audio_done_s += pc.sum(results.column("duration_s")).as_py()
            self.device = results.column("device")[0].as_py()

    def mark_committed(self) -> None:
        """All rows that reached the driver are in the ledger."""
        self._committed = self.finished, self.rejected, self.audio_done_s

    @property
    def committed_text(self) -> str:
        """What this job has in the ledger, for people."""
        finished, rejected, _ = self._committed
        return f"at least {finished} results and {rejected} rejects of this job are committed"

    def workers_started(self, pool: WorkerPool) -> None:
        """From here on time counts for the speed."""
        self.pool, self._working_since_s = pool, time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Wall time of this job."""
        return time.monotonic() - self._began_s

    @property
    def working_s(self) -> float:
        """Wall time since the workers were asked for."""
        since_s = self._working_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    @property
    def realtime_factor(self) -> float | None:
        """Audio-seconds done per second, over all workers."""
        return self.audio_done_s / self.working_s if self.audio_done_s and self.working_s else None

    @property
    def worker_realtime_factor(self) -> float | None:
        """The same of one worker; the last job's if this one has none."""
        if self.pool is None or self.realtime_factor is None:
            return self.last_worker_speed
        return self.realtime_factor / self.pool.workers

    @property
    def tried(self) -> int:
        """Tracks that ended, well or not."""
        return self.finished + self.rejected

    @property
    def eta_s(self) -> float | None:
        """Seconds to go: by the tracks left, at the rate so far; None before the first track."""
        left = self.plan.todo.num_rows - self.tried
        return left * self.working_s / self.tried if self.tried else None

    def document(self, state: str, reason: str | None) -> dict[str, Any]:
        """What status.json says; of this job's rows only those that are in the ledger."""
        finished, rejected, audio_done_s = self._committed
        return {
            "state": state,
            "reason": reason,
            "run_id": self.run_id,
            "job": self.job,
            "started_at": self.started_at.isoformat(),
            "updated_at": datetime.now(UTC).isoformat(),
            "manifest": self.manifest_uri,
            "tracks": self.plan.tracks,
            "audio_s": None if self.plan.unknown_durations else self.plan.audio_s,
            "planned": self.plan.todo.num_rows,
            "finished_before": self.plan.finished,
            "finished": finished,
            "rejected": rejected,
            "audio_done_s": audio_done_s,
            "realtime_factor": self.realtime_factor,
            "worker_realtime_factor": self.worker_realtime_factor,
            "eta_s": self.eta_s if state == "running" else None,
            "workers": self.pool.workers if self.pool else None,
            "device": self.device,
        }

    def json(self, state: str, reason: str | None = None) -> bytes:
        """The document's bytes."""
        return json.dumps(self.document(state, reason), indent=2, allow_nan=False).encode()
