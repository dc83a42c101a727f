"""Gathers rows in the driver and commits them in time; knows which tracks have ended."""

import time

import pyarrow as pa

from latentsep.catalogue.ledger import Committed, Ledger
from latentsep.errors import LedgerError
from latentsep.pipeline.job_config import LedgerConfig
from latentsep.pipeline.job_status import JobProgress
from latentsep.pipeline.rows import split_outcomes
from latentsep.storage import Store


class Committer:
    """Takes outcome tables as they come; the same track may come twice, and counts once."""

    def __init__(self, ledger: Ledger, config: LedgerConfig, progress: JobProgress) -> None:
        self._ledger = ledger
        self._config = config
        self._progress = progress
        self._ended: set[str] = set()
        self._results: list[pa.Table] = []
        self._rejects: list[pa.Table] = []
        self._waiting_rows = 0
        self._waiting_since_s = time.monotonic()

    def add(self, outcomes: pa.Table) -> None:
        """Take the outcomes of one block."""
        results, rejects = split_outcomes(outcomes)
        results, rejects = self._first_time(results), self._first_time(rejects)
        self._progress.add(results, rejects)
        if not self._waiting_rows:
            self._waiting_since_s = time.monotonic()
        self._waiting_rows += results.num_rows + rejects.num_rows
        self._results.append(results)
        self._rejects.append(rejects)

    @property
    def is_due(self) -> bool:
        """Whether enough rows wait, or some wait for long enough."""
        waited_s = time.monotonic() - self._waiting_since_s
        return self._waiting_rows >= self._config.commit_rows or (
            self._waiting_rows > 0 and waited_s >= self._config.commit_every_s
        )

    def use(self, store: Store) -> None:
        """Go on by another way to the same output, such as one that gives up sooner."""
        self._ledger = self._ledger.with_store(store)

    def commit(self) -> Committed | None:
        """Commit what waits; None if nothing does.

        Raises:
            LedgerError: it cannot be done or is in doubt; nothing is claimed that is not there.
        """
        if not self._waiting_rows:
            return None
        try:
            committed = self._ledger.commit(_joined(self._results), _joined(self._rejects))
        except LedgerError as error:
            raise LedgerError(f"{error}; {self._progress.committed_text}") from error
        self._progress.mark_committed()
        self._results, self._rejects, self._waiting_rows = [], [], 0
        return committed

    def missing(self, todo: pa.Table) -> pa.Table:
        """The rows of a manifest whose tracks have not ended."""
        ids = todo.column("track_id").to_pylist()
        return todo.filter(pa.array([track_id not in self._ended for track_id in ids]))

    def _first_time(self, rows: pa.Table) -> pa.Table:
        fresh = []
        for track_id in rows.column("track_id").to_pylist():
            fresh.append(track_id not in self._ended)
            self._ended.add(track_id)
        return rows.filter(pa.array(fresh, pa.bool_()))


def _joined(tables: list[pa.Table]) -> pa.Table:
    """Rows of one part; blocks that differ in their further columns get nulls."""
    return pa.concat_tables(tables, promote_options="default").combine_chunks()
