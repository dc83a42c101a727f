"""Gathers rows in the driver and commits them in time; knows which tracks have ended."""

import time
from typing import Protocol

import pyarrow as pa

from latentsep.catalogue.ledger import Committed, Ledger
from latentsep.catalogue.ledger_state import without_ids
from latentsep.errors import LedgerError
from latentsep.pipeline.job_config import LedgerConfig
from latentsep.pipeline.job_status import JobProgress
from latentsep.pipeline.rows import split_outcomes
from latentsep.storage import Store


class CommitListener(Protocol):
    """Is told of each commit, once it is done."""

    def committed(self, results: pa.Table, rejects: pa.Table, seconds: float) -> None:
        """These rows are in the ledger, by this commit."""

    def commit_failed(self, seconds: float) -> None:
        """A commit failed or is in doubt."""


class Committer:
    """Takes outcome tables as they come; the same track may come twice, and counts once."""

    def __init__(
        self,
        ledger: Ledger,
        config: LedgerConfig,
        progress: JobProgress,
        listener: CommitListener | None = None,
    ) -> None:
        self._ledger = ledger
        self._config = config
        self._progress = progress
        self._listener = listener
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
        results, rejects = _joined(self._results), _joined(self._rejects)
        began_s = time.monotonic()
        try:
            committed = self._ledger.commit(results, rejects)
        except LedgerError as error:
            if self._listener is not None:
                self._listener.commit_failed(time.monotonic() - began_s)
            raise LedgerError(f"{error}; {self._progress.committed_text}") from error
        self._progress.mark_committed()
        self._results, self._rejects, self._waiting_rows = [], [], 0
        if self._listener is not None:
            dropped = pa.array(committed.dropped_ids, pa.string())
            written = without_ids(results, dropped), without_ids(rejects, dropped)
            self._listener.committed(*written, time.monotonic() - began_s)
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
