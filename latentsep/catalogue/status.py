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
COUNTED_COLUMNS = ("track_id", "duration_s", "committed_at", *_BYTES)
"""Of the results: what is needed to count them."""
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
class ResultCount:
    """Results, all of them and by the time of their commit: one entry for each commit."""

    finished: DoneCount = field(default_factory=DoneCount)
    by_time: dict[datetime, DoneCount] = field(default_factory=dict)

    def add(self, results: pa.Table) -> None:
        """Count rows that have ``COUNTED_COLUMNS``."""
        self.finished.add(results)
        committed_at = results.column("committed_at")
        for time in pc.unique(committed_at.drop_null()):
            count = self.by_time.setdefault(time.as_py(), DoneCount())
            count.add(results.filter(pc.equal(committed_at, time)))

    def since(self, time: datetime) -> DoneCount:
        """What was committed at that time or later."""
        recent = DoneCount()
        for committed_at, count in self.by_time.items():
            if committed_at >= time:
                recent.tracks += count.tracks
                recent.audio_s += count.audio_s
                recent.stem_bytes += count.stem_bytes
        return recent


def read_output_status(store: Store) -> OutputStatus:
    """Count what an output holds. Memory grows with its rejects, not with its results.

    Raises:
        LedgerError: a part of the ledger or ``run.json`` is missing or damaged.
        StoreError: the store cannot be asked.
    """
    now = time_at(store)
    run, job = read_run(store), job_state(store, now)
    count, rejects = ResultCount(), OpenRejects.of(store, _REJECT_COLUMNS)
    for part in read_results(store, COUNTED_COLUMNS):
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
        rate=rate_of(job, now, count, rows),
    )


def rate_of(job: JobState, now: datetime, count: ResultCount, rejects: pa.Table) -> Rate | None:
    """How fast the job is.

    Args:
        job: its state.
        now: time by the store's clock.
        count: of all results.
        rejects: the latest rejects of tracks that are not finished, with ``duration_s`` and
            ``committed_at``.
    """
    since = _window_start(job, now)
    if since is None:
        return None
    window_s = (now - since).total_seconds()
    recent = count.since(since)
    if window_s < SHORTEST_WINDOW_S or not recent.tracks:
        return None
    ended = recent.tracks + _committed_since(rejects, since).num_rows
    left = _left_share(job, count.finished, rejects, recent, ended)
    eta_s = None if left is None else max(0.0, left) * window_s
    return Rate(window_s, recent.tracks, recent.audio_s, eta_s)


def _window_start(job: JobState, now: datetime) -> datetime | None:
    """From when on rows count for the rate; None unless a job runs."""
    if job.state != "running" or job.file is None:
        return None
    started = job.file.started_at
    return max(now - RATE_WINDOW, started) if started is not None else now - RATE_WINDOW


def _left_share(
    job: JobState, finished: DoneCount, rejects: pa.Table, recent: DoneCount, ended: int
) -> float | None:
    """What is left, in windows: by the audio, where the manifest tells; else by the tracks.

    Long tracks go first, so the count of tracks overestimates.
    """
    if job.file is None:
        return None
    if job.file.audio_s is not None and recent.audio_s:
        rejected_s = pc.sum(rejects.column("duration_s")).as_py() or 0.0
        left_s: float = job.file.audio_s - finished.audio_s - rejected_s
        return left_s / recent.audio_s
    if job.file.tracks is None:
        return None
    left: int = job.file.tracks - finished.tracks - rejects.num_rows
    return left / ended


def _committed_since(rows: pa.Table, since: datetime) -> pa.Table:
    committed_at = rows.column("committed_at")
    return rows.filter(pc.greater_equal(committed_at, pa.scalar(since, committed_at.type)))
