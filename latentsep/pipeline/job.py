"""The catalogue job: what is left of a manifest goes through the cluster into the ledger."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from latentsep.catalogue.last_run import last_worker_speed
from latentsep.catalogue.lease import Holder, Lease
from latentsep.catalogue.ledger import Ledger, LedgerState
from latentsep.catalogue.manifest import is_manifest, problems_error, read_manifest
from latentsep.catalogue.manifest_build import build_manifest
from latentsep.catalogue.manifest_check import check_manifest
from latentsep.catalogue.output import STATUS_KEY
from latentsep.catalogue.plan import plan_job
from latentsep.catalogue.recheck import changed_sources
from latentsep.catalogue.run_identity import open_run
from latentsep.errors import ConfigError, LeaseHeldError, StoreError, WorkerLostError
from latentsep.models.folder import find_model, read_model_file
from latentsep.pipeline.catalogue_track import reject_row
from latentsep.pipeline.cluster import WorkerPool
from latentsep.pipeline.committer import Committer
from latentsep.pipeline.engine import Engine, RayEngine
from latentsep.pipeline.identity import identity_of
from latentsep.pipeline.job_config import JobConfig
from latentsep.pipeline.job_metrics import JobMetrics, served
from latentsep.pipeline.job_report import leave_report
from latentsep.pipeline.job_status import JobProgress
from latentsep.pipeline.limits import limit_reached
from latentsep.pipeline.rejects import reject_of
from latentsep.pipeline.rows import Outcome, manifest_rows, outcome_table
from latentsep.pipeline.stop import StopRequest
from latentsep.pipeline.stream import ticking
from latentsep.pipeline.worker import WorkerSpec
from latentsep.storage import RetryPolicy, Store, StoreSettings, open_store, probe
from latentsep.version import __version__

logger = logging.getLogger(__name__)

MOST_ROUNDS = 3
"""How often tracks whose rows never came are given to the cluster anew."""
STOP_RETRY = RetryPolicy(attempts=4, longest_pause_s=1.0, total_s=8.0)
STOP_READ_S = 5.0

OnProgress = Callable[[JobProgress], None]


@dataclass(frozen=True)
class JobRequest:
    """What a user asks for."""

    manifest_uri: str
    out_uri: str
    config: JobConfig
    address: str | None = None
    limit: int | None = None
    retry_rejected: bool = False
    recheck_sources: bool = False


@dataclass(frozen=True)
class JobReport:
    """How a job ended: ``done``, ``stopped`` by a limit, or ``interrupted`` by a signal.

    Only after ``done`` has Ray been shut down. Otherwise, and after an error, its threads are still
    at work, and the process is expected to end.
    """

    state: str
    reason: str | None
    progress: JobProgress


def run_job(
    request: JobRequest,
    stop: StopRequest,
    on_progress: OnProgress,
    engine: Engine | None = None,
) -> JobReport:
    """Run a job to its end; run it again and it goes on where it was.

    Args:
        request: what to do.
        stop: asks the job to end early, committed.
        on_progress: told about twice a second, from this thread.
        engine: does the blocks; Ray at the request's address by default.

    Raises:
        ConfigError: a setting, the manifest or the model is wrong; nothing was started.
        LeaseHeldError: another job works on this output, or took it over before the end.
        LedgerError: a commit is impossible or in doubt.
        ClusterError: the cluster gave up.
        StoreError: the output cannot be reached.
    """
    config = request.config
    manifest = _manifest(request)
    identity = identity_of(config)
    store = open_store(request.out_uri, config.storage)
    _check_output(store)
    run_id = open_run(store, identity, {"code_version": __version__})
    holder = Holder.of_this_process()
    with _leased(store, holder, config) as lease:
        ledger = Ledger(store, holder.job)
        state = ledger.load()
        if request.recheck_sources:
            state = _without_changed(ledger, state, manifest, config)
        plan = plan_job(manifest, state, retry_rejected=request.retry_rejected, limit=request.limit)
        progress = JobProgress(
            request.manifest_uri, run_id, holder.job, plan, last_worker_speed(store)
        )
        metrics = JobMetrics(config, progress, lease, str(identity["model"]))
        committer = Committer(ledger, config.ledger, progress, metrics)
        run = _Run(request, store, stop, committer, progress)
        # Until the handlers are there a signal ends the job at once: nothing has to be committed.
        watched = served(metrics, store, config.metrics, is_leaving=lambda: stop.by_signal)
        with watched, stop.on_signals():
            used = engine or RayEngine(request.address, config.workers)
            report = run.to_the_end(used, lease, on_progress)
        # A signal ends this at once: the work is done. Under the lease nobody forgets a track.
        if config.report and report.state in ("done", "stopped") and not _is_lost(lease):
            leave_report(request.out_uri, _hasty(config.storage))
    # By now it was given back, or found to be another job's.
    if report.state == "done" and _is_lost(lease):
        raise LeaseHeldError(
            f"{store.uri}: every track of this job is committed, but the lease was lost before its "
            "end: another job may have taken it, `latentsep status` tells who works on it"
        )
    return report


class _Run:
    """One job between its plan and its report."""

    def __init__(
        self,
        request: JobRequest,
        store: Store,
        stop: StopRequest,
        committer: Committer,
        progress: JobProgress,
    ) -> None:
        self._request = request
        self._config = request.config
        self._store = store
        self._progress = progress
        self._stop = stop
        self._committer = committer
        self._lease: Lease | None = None
        self._is_over = False
        self._on_progress: OnProgress = lambda progress: None

    def to_the_end(self, engine: Engine, lease: Lease | None, on_progress: OnProgress) -> JobReport:
        """Work, commit, and say how it ended, in this order whatever happens."""
        self._lease, self._on_progress = lease, on_progress
        state = "failed"
        try:
            self._say("running")
            if self._progress.plan.todo.num_rows:
                self._work(engine)
            state = self._end_state()
        finally:
            self._say(state)
        return JobReport(state, self._stop.reason, self._progress)

    def _work(self, engine: Engine) -> None:
        try:
            with engine.opened(lambda: not self._is_over) as pool:
                self._stop.claim_signals()
                self._in_cluster(engine, pool)
        except SystemExit:
            # A SIGTERM that came while Ray's own handler was in place, in ray.init.
            self._stop.ask("got SIGTERM", by_signal=True)

    def _in_cluster(self, engine: Engine, pool: WorkerPool) -> None:
        self._progress.workers_started(pool)
        try:
            if not self._stop.is_set:
                self._rounds(engine, pool)
            self._is_over = not self._stop.is_set
        finally:
            if self._stop.by_signal:
                hasty = _hasty(self._config.storage)
                self._committer.use(open_store(self._request.out_uri, hasty))
            # Rows that reached the driver are paid for, whatever ended the work.
            self._committer.commit()

    def _rounds(self, engine: Engine, pool: WorkerPool) -> None:
        todo = self._progress.plan.todo
        spec = _worker_spec(self._request, self._progress.run_id, pool)
        for _ in range(MOST_ROUNDS):
            self._round(engine.outcomes(todo, spec, pool))
            todo = self._committer.missing(todo)
            if self._stop.is_set or not todo.num_rows:
                return
            logger.warning("event=rows_missing tracks=%d: given out again", todo.num_rows)
        self._committer.add(_lost(todo, self._progress.run_id))

    def _round(self, blocks: Iterator[pa.Table]) -> None:
        for outcomes in ticking(blocks, is_enough=lambda: self._stop.is_set):
            if outcomes is not None:
                self._committer.add(outcomes)
            self._look_up()

    def _look_up(self) -> None:
        """Between two batches: commit in time, tell, and see whether to go on."""
        if self._committer.is_due:
            self._committer.commit()
            self._say("running")
        self._on_progress(self._progress)
        if _is_lost(self._lease):
            raise LeaseHeldError(
                f"{self._store.uri}: the lease was lost in the middle: another job may have taken "
                "it; what was finished is committed, `latentsep status` tells who works on it"
            )
        if reason := limit_reached(self._config, self._progress):
            self._stop.ask(reason)

    def _end_state(self) -> str:
        if not self._stop.is_set:
            return "done"
        return "interrupted" if self._stop.by_signal else "stopped"

    def _say(self, state: str) -> None:
        """Write status.json; the ledger does not depend on it, so trouble is only logged."""
        if _is_lost(self._lease):
            return  # It is the other job's.
        try:
            self._store.write(STATUS_KEY, self._progress.json(state, self._stop.reason))
        except StoreError as error:
            logger.warning("event=status_not_written reason=%s", error)


def _hasty(settings: StoreSettings) -> StoreSettings:
    """Requests are soon given up: a stopped job has 20 s in all, and nobody waits for a page."""
    s3 = settings.s3.model_copy(update={"retry": STOP_RETRY, "read_timeout_s": STOP_READ_S})
    return settings.model_copy(update={"s3": s3})


def _check_output(store: Store) -> None:
    """See that the output keeps what a ledger stands on, before any work.

    Raises:
        ConfigError: it cannot be written, or not on conditions.
        StoreError: it does not answer now.
    """
    try:
        probe(store)
    except StoreError as error:
        if error.retryable:
            raise
        raise ConfigError(
            f"output {store.uri} cannot be used: {error}; `latentsep doctor {store.uri}` tells more"
        ) from error


def _manifest(request: JobRequest) -> pa.Table:
    """The manifest of a file, or one made of all audio below a prefix.

    Raises:
        ManifestError: it cannot be read, has problems, or there is no audio below the prefix.
    """
    uri, settings = request.manifest_uri, request.config.storage
    if is_manifest(uri):
        return read_manifest(uri, settings)
    manifest = build_manifest(uri, settings, lambda done: None)
    if problems := check_manifest(manifest):
        raise problems_error(f"the manifest made of {uri}", problems, "latentsep manifest build")
    return manifest


@contextmanager
def _leased(store: Store, holder: Holder, config: JobConfig) -> Iterator[Lease | None]:
    if not config.ledger.use_lease:
        with nullcontext():
            yield None
        return
    with Lease.acquire(store, holder, config.ledger.lease_s) as lease:
        yield lease


def _is_lost(lease: Lease | None) -> bool:
    return lease is not None and lease.lost.is_set()


def _worker_spec(request: JobRequest, run_id: str, pool: WorkerPool) -> WorkerSpec:
    described = read_model_file(find_model(request.config.model))
    return WorkerSpec(
        config=request.config,
        out_uri=request.out_uri,
        run_id=run_id,
        model_sha256=described.weights.sha256,
        threads=pool.cpus,
        tracks_in_flight=pool.tracks_in_flight,
    )


def _without_changed(
    ledger: Ledger, state: LedgerState, manifest: pa.Table, config: JobConfig
) -> LedgerState:
    """Withdraw what this job will do again: results of tracks of other manifests stay."""
    wanted = manifest.column("track_id").combine_chunks()
    own = state.finished.filter(pc.is_in(state.finished.column("track_id"), value_set=wanted))
    changed = changed_sources(own, config.storage, lambda done: None)
    ids = [source.track_id for source in changed if not source.is_missing]
    if not ids:
        return state
    logger.warning("event=sources_changed tracks=%d: separated again", len(ids))
    ledger.withdraw(ids, "source changed")
    return ledger.load()


def _lost(todo: pa.Table, run_id: str) -> pa.Table:
    error = WorkerLostError(
        f"its row did not come back from the cluster in {MOST_ROUNDS} tries; the next run tries "
        "again; look at the cluster's logs for dying workers"
    )
    outcomes = [
        Outcome(reject=reject_row(row, reject_of(row.uri, error), run_id, attempt=""))
        for row in manifest_rows(todo)
    ]
    return outcome_table(todo, outcomes)
