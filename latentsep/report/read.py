"""Makes the report of an output: of its ledger, its last job's word, and its stems."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TypeVar

from latentsep.catalogue.failed import RejectGroup
from latentsep.catalogue.job_state import JobState, StatusFile, job_state, time_at
from latentsep.catalogue.output import STATUS_KEY
from latentsep.catalogue.run_identity import RUN_KEY, RunRecord, read_run
from latentsep.catalogue.status import rate_of
from latentsep.errors import LedgerError
from latentsep.report.comparison import EarlierRun, open_earlier
from latentsep.report.course import course_of
from latentsep.report.document import Comparison, Course, Report
from latentsep.report.ledger_count import LedgerCount
from latentsep.report.ranked_tracks import RankedTracks
from latentsep.storage import Store, StoreSettings

LONGEST_EXCERPTS_S = 120.0
"""For reading the excerpts of all tracks together."""

Made = TypeVar("Made")
_NO_FILE = StatusFile(state="unknown")


class ReportReader:
    """Reads an output as often as asked; what it counted once it does not read again.

    Args:
        store: the output, as ``catalogue.output.open_output`` gives it.
        settings: for sources that lie elsewhere, and for ``against``.
        out: what the user calls the output.
        against: an earlier output to compare with, a folder or URI. It is read once; that it cannot
            be compared with is told in the report.
    """

    def __init__(
        self, store: Store, settings: StoreSettings, *, out: str, against: str | None = None
    ) -> None:
        self._store, self._settings = store, settings
        self._out, self._against = out, against
        self._tracks = RankedTracks(store, settings)
        self._earlier: EarlierRun | None = None
        self._count: LedgerCount | None = None
        self._not_comparable: str | None = None

    def read(self, *, excerpts: bool = True, longest_s: float = LONGEST_EXCERPTS_S) -> Report:
        """The output as it is now.

        Args:
            excerpts: read stems of the ranked tracks; otherwise only those read before are there.
            longest_s: for reading them; a problem tells how many tracks were left out by then.

        Raises:
            StoreError: the store cannot be asked now.
        """
        problems: list[str] = []
        now = time_at(self._store)
        run = _unless_damaged(lambda: read_run(self._store), problems)
        job = _unless_damaged(lambda: job_state(self._store, now), problems)
        job = job or JobState("unknown", None, None)
        count = self._counted()
        _tell_half_written(self._store, run, job, count, problems)
        problems += [*count.problems, *(self._earlier.problems if self._earlier else ())]
        groups = count.rejects.groups
        rejects = _unless_damaged(lambda: groups(self._store), problems) or ()
        begun_at = run.created_at if run else None
        course = course_of(count.results.count, count.rejects.by_time, begun_at)
        file = job.file or _NO_FILE
        return Report(
            out=self._out,
            made_at=datetime.now(UTC),
            state=job.state,
            state_reason=_reason(job),
            run_id=run.run_id if run else None,
            identity=run.identity if run else {},
            about=run.about if run else {},
            model=count.model or _text(run, "model"),
            model_licence=count.model_licence,
            manifest=file.manifest,
            tracks_wanted=file.tracks,
            audio_wanted_s=file.audio_s,
            finished=count.results.count.finished,
            rejected=_tracks(rejects),
            retryable=_tracks(group for group in rejects if group.retryable),
            forgotten=len(count.forgotten),
            rate=rate_of(job, now, count.results.count, count.rejects.rows()),
            course=course,
            stage_s=count.results.stage_s,
            distributions=count.results.distributions(),
            rejects=rejects,
            ranking=self._tracks.ranking(count.results, longest_s if excerpts else None, problems),
            comparison=self._comparison(run, course),
            problems=tuple(problems),
        )

    def _counted(self) -> LedgerCount:
        """The counts, with what came since the last look."""
        if self._count is None:
            if self._against is not None:
                opened = open_earlier(self._against, self._settings, self._store)
                if isinstance(opened, str):
                    self._not_comparable = opened
                else:
                    self._earlier = opened
            self._count = LedgerCount(self._store, self._earlier)
        self._count.look()
        return self._count

    def _comparison(self, run: RunRecord | None, course: Course | None) -> Comparison | None:
        if self._against is None:
            return None
        if self._count is None or self._count.compared is None:
            return Comparison(self._against, problem=self._not_comparable)
        return self._count.compared.comparison(self._against, run, course)


def read_report(
    store: Store,
    settings: StoreSettings,
    *,
    out: str,
    against: str | None = None,
    excerpts: bool = True,
) -> Report:
    """The report of an output as it is now, see ``ReportReader``."""
    return ReportReader(store, settings, out=out, against=against).read(excerpts=excerpts)


def _unless_damaged(read: Callable[[], Made], problems: list[str]) -> Made | None:
    """What can be read; None, and a problem, if that is damaged."""
    try:
        return read()
    except LedgerError as error:
        problems.append(str(error))
        return None


def _tell_half_written(
    store: Store, run: RunRecord | None, job: JobState, count: LedgerCount, problems: list[str]
) -> None:
    """Tell what an output lacks that a job writes before its first result."""
    if run is None and not problems:
        problems.append(f"{store.uri_of(RUN_KEY)}: is missing: what was run is not known")
    if job.file is None and count.results.count.finished.tracks:
        problems.append(
            f"{store.uri_of(STATUS_KEY)}: is missing or unreadable: how the last job ended "
            "and how many tracks its manifest has is not known"
        )


def _reason(job: JobState) -> str | None:
    if job.state == "stale":
        who = f" on {job.holder}" if job.holder else ""
        return f"the job{who} ended without a word; run it again to go on"
    if job.state == "held":
        return f"by another command on {job.holder}"
    if job.state == "running":
        return f"on {job.holder}" if job.holder else "without a lease"
    return job.file.reason if job.file else None


def _text(run: RunRecord | None, name: str) -> str | None:
    value = run.identity.get(name) if run else None
    return None if value is None else str(value)


def _tracks(groups: Iterable[RejectGroup]) -> int:
    return sum(group.tracks for group in groups)
