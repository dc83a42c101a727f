"""How far an output is: counted from the ledger, whether a job runs or not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from latentsep.catalogue.failed import RejectGroup, grouped
from latentsep.catalogue.job_state import JobState, job_state, time_at
from latentsep.catalogue.ledger import read_results
from latentsep.catalogue.open_rejects import OpenRejects, forgotten_ids
from latentsep.catalogue.run_identity import read_run
from latentsep.catalogue.schema import STEM_NAMES
from latentsep.storage.base import Store

RATE_WINDOW = timedelta(hours=1)
SHORTEST_WINDOW_S = 10.0
"""Before that a rate says nothing."""

_BYTES = [f"{stem}_stem_bytes" for stem in STEM_NAMES]
_RESULT_COLUMNS = ["track_id", "duration_s", "committed_at", *_BYTES]
_REJECT_COLUMNS = ["track_id", "duration_s", "committed_at", "stage", "error_class", "retryable"]


@dataclass
class DoneCount:
    """What was finished.

    Attributes:
        tracks: how many.
        audio_s: their duration together.
        stem_bytes: size of their stems together.
    """

    tracks: int = 0
    audio_s: float = 0.0
    stem_bytes: int = 0

    def add(self, results: pa.Table) -> None:
        """So many more."""
        self.tracks += results.num_rows
        self.audio_s += pc.sum(results.column("duration_s")).as_py() or 0.0
        self.stem_bytes += sum(pc.sum(results.column(name)).as_py() or 0 for name in _BYTES)


@dataclass(frozen=True)
class Rate:
    """How fast a running job is, by what it committed.

    Attributes:
        window_s: the last hour, or the time since the job began.
        tracks: finished in it.
        audio_s: their duration.
        eta_s: until the manifest's last track; None if nothing tells.
    """

    window_s: float
    tracks: int
    audio_s: float
    eta_s: float | None

    @property
    def realtime_factor(self) -> float:
        """Audio-seconds done per second."""
        return self.audio_s / self.window_s


@dataclass(frozen=True)
class OutputStatus:
    """Everything that ``status`` tells.

    Attributes:
        job: whether a job works on it, and what the last one said.
        run_id: of the output; None if ``run.json`` is not there.
        identity: what decides the bytes of its stems.
        finished: the results.
        rejects: the latest rejects of tracks that are not finished, by reason.
        forgotten: tracks that were taken down.
        rate: only while a job runs and has committed something.
    """

    job: JobState
    run_id: str | None
    identity: Mapping[str, object]
    finished: DoneCount
    rejects: list[RejectGroup]
    forgotten: int
    rate: Rate | None

    @property
    def rejected(self) -> int:
        """Tracks whose latest attempt failed."""
        return sum(group.tracks for group in self.rejects)

    @property
    def retryable(self) -> int:
        """Those of them that the next run tries again by itself."""
        return sum(group.tracks for group in self.rejects if group.retryable)


@dataclass
class _Count:
    """All results, and those committed since some time."""

    since: datetime | None
    finished: DoneCount = field(default_factory=DoneCount)
    recent: DoneCount = field(default_factory=DoneCount)

    def add(self, results: pa.Table) -> None:
        self.finished.add(results)
        if self.since is not None:
            self.recent.add(_committed_since(results, self.since))


def read_output_status(store: Store) -> OutputStatus:
    """Count what an output holds. Memory grows with its rejects, not with its results.

    Raises:
        LedgerError: a part of the ledger or ``run.json`` is missing or damaged.
        StoreError: the store cannot be asked.
    """
    now = time_at(store)
    run, job = read_run(store), job_state(store, now)
    since = _window_start(job, now)
    count, rejects = _Count(since), OpenRejects(store, _REJECT_COLUMNS)
    for part in read_results(store, _RESULT_COLUMNS):
        rejects.settle(part.column("track_id"))
        count.add(part)
    rows = rejects.rows()
    return OutputStatus(
        job=job,
        run_id=run.run_id if run else None,
        identity=run.identity if run else {},
        finished=count.finished,
        rejects=grouped(rows),
        forgotten=len(forgotten_ids(store)),
        rate=_rate(job, count, rows, now - since) if since else None,
    )


def _window_start(job: JobState, now: datetime) -> datetime | None:
    """From when on rows count for the rate; None unless a job runs."""
    if job.state != "running" or job.file is None:
        return None
    started = job.file.started_at
    return max(now - RATE_WINDOW, started) if started is not None else now - RATE_WINDOW


def _rate(job: JobState, count: _Count, rejects: pa.Table, window: timedelta) -> Rate | None:
    window_s = window.total_seconds()
    recent = count.recent
    if window_s < SHORTEST_WINDOW_S or not recent.tracks:
        return None
    return Rate(window_s, recent.tracks, recent.audio_s, _eta_s(job, count, rejects, window_s))


def _eta_s(job: JobState, count: _Count, rejects: pa.Table, window_s: float) -> float | None:
    """By the audio that is left, where the manifest tells; else by the tracks.

    Long tracks go first, so the count of tracks overestimates.
    """
    if job.file is None:
        return None
    if job.file.audio_s is not None and count.recent.audio_s:
        rejected_s = pc.sum(rejects.column("duration_s")).as_py() or 0.0
        left_s: float = job.file.audio_s - count.finished.audio_s - rejected_s
        return max(0.0, left_s) * window_s / count.recent.audio_s
    if job.file.tracks is None or count.since is None:
        return None
    left: int = job.file.tracks - count.finished.tracks - rejects.num_rows
    ended: int = count.recent.tracks + _committed_since(rejects, count.since).num_rows
    return max(0, left) * window_s / ended


def _committed_since(rows: pa.Table, since: datetime) -> pa.Table:
    committed_at = rows.column("committed_at")
    return rows.filter(pc.greater_equal(committed_at, pa.scalar(since, committed_at.type)))
