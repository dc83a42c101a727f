"""The driver's metrics: true to the ledger from the first scrape to the last."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import numpy as np
import pyarrow as pa

from latentsep.catalogue.lease import Lease
from latentsep.monitoring import definitions
from latentsep.monitoring.endpoint import MetricsEndpoint
from latentsep.monitoring.ledger_totals import add_ledger, add_rejects, add_results
from latentsep.monitoring.rate import RecentRate
from latentsep.monitoring.values import MetricValues
from latentsep.pipeline.job_config import JobConfig, MetricsConfig
from latentsep.pipeline.job_status import JobProgress
from latentsep.pipeline.limits import cost_so_far
from latentsep.storage import Store
from latentsep.version import __version__

logger = logging.getLogger(__name__)
RATE_SPAN_S = 600.0
RUN_DIGITS = 12
LAST_SCRAPE_S = 30.0
"""Two intervals of cluster/monitoring/prometheus.yml."""


class JobMetrics:
    """The metrics of one job; a ``CommitListener``.

    Rows count when they are committed. What changes by itself is looked up at each scrape, so it is
    up to date even while the driver waits for its store.

    Attributes:
        values: of all metrics.
    """

    def __init__(
        self, config: JobConfig, progress: JobProgress, lease: Lease | None, model: str
    ) -> None:
        self.values = MetricValues()
        self._config = config
        self._progress = progress
        self._lease = lease
        self._rate = RecentRate(RATE_SPAN_S)
        self._begin(model)

    def committed(self, results: pa.Table, rejects: pa.Table, seconds: float) -> None:
        """See ``CommitListener``."""
        with self.values.at_once():
            add_results(self.values, results)
            add_rejects(self.values, rejects)
            self.values.count(definitions.COMMIT_ROWS, results.num_rows + rejects.num_rows)
            self.values.observe(definitions.COMMIT_SECONDS, seconds)
            self.values.set(definitions.LAST_COMMIT, time.time())

    def commit_failed(self, seconds: float) -> None:
        """See ``CommitListener``."""
        with self.values.at_once():
            self.values.count(definitions.COMMIT_FAILURES, 1)
            self.values.observe(definitions.COMMIT_SECONDS, seconds)

    def refresh(self) -> None:
        """Look up what changes by itself."""
        progress, values = self._progress, self.values
        workers = progress.pool.workers if progress.pool else None
        rate = self._rate.at(progress.working_s, progress.audio_done_s)
        per_worker = None if rate is None or not workers else rate / workers
        values.set(definitions.REALTIME_FACTOR, rate)
        values.set(definitions.AUDIO_HOURS_PER_GPU_HOUR, per_worker)
        values.set(definitions.ETA, progress.eta_s)
        values.set(definitions.WORKERS, workers, "wanted")
        cost = cost_so_far(self._config, progress)
        values.set(definitions.COST, cost, self._config.rates.currency)
        if self._lease is not None:
            self._refresh_lease(self._lease)

    def _refresh_lease(self, lease: Lease) -> None:
        self.values.set(definitions.LEASE_HELD, 0.0 if lease.lost.is_set() else 1.0)
        self.values.set(definitions.LEASE_RENEWALS, lease.renewals)
        self.values.set(definitions.LEASE_RENEWAL_FAILURES, lease.failed_renewals)
        self.values.set(definitions.LEASE_EXPIRES, time.time() + lease.left_s)

    def _begin(self, model: str) -> None:
        """What is known at the start, and counters that exist before they count anything."""
        progress, hours = self._progress, self._config.limits.max_hours
        began = progress.started_at.timestamp()
        run = progress.run_id[:RUN_DIGITS]
        self.values.set(definitions.BUILD_INFO, 1.0, __version__, model, run)
        self.values.set(definitions.TRACKS_PLANNED, progress.plan.tracks)
        self.values.set(definitions.START, began)
        self.values.set(definitions.DEADLINE, None if hours is None else began + 3600 * hours)
        self.values.count(definitions.COMMIT_ROWS, 0)
        self.values.count(definitions.COMMIT_FAILURES, 0)
        self.values.observe_all(definitions.COMMIT_SECONDS, np.empty(0))


@contextmanager
def served(
    metrics: JobMetrics, store: Store, config: MetricsConfig, is_leaving: Callable[[], bool]
) -> Iterator[None]:
    """Count the ledger, then answer scrapes until the job ends; without a port do neither.

    Whoever scraped of late gets the time for one more scrape, as the last commit, a lost lease or a
    commit that failed come right before the end. Not so where ``is_leaving``.

    Raises:
        LedgerError: a part of the ledger is missing or damaged.
    """
    if not config.port:
        yield
        return
    add_ledger(metrics.values, store)
    endpoint = _opened(metrics, config.address, config.port)
    if endpoint is None:
        yield
        return
    with closing(endpoint):
        try:
            yield
        finally:
            if not is_leaving():
                endpoint.wait_for_last_scrape(LAST_SCRAPE_S)


def _opened(metrics: JobMetrics, address: str, port: int) -> MetricsEndpoint | None:
    """The endpoint; None where it cannot listen, as no work is lost to a dashboard."""
    try:
        return MetricsEndpoint(metrics.values, metrics.refresh, address, port)
    except OSError as error:
        logger.warning(
            "event=metrics_off address=%s port=%d reason=%s: the job goes on without metrics; "
            "set metrics.port to a free one, or to 0 for none, in the YAML of --config",
            address, port, error.strerror or error,
        )  # fmt: skip
        return None
