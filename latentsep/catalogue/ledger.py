"""The ledger: which tracks are finished, as a log of Parquet parts that nobody writes twice."""

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from latentsep.catalogue.ledger_log import PartLog
from latentsep.catalogue.ledger_parts import (
    ID,
    REJECTS,
    RESULTS,
    PartKind,
    conformed,
    part_keys,
    read_part_if_there,
    read_parts,
)
from latentsep.catalogue.ledger_state import LedgerState, ids_among, load_state, without_ids
from latentsep.catalogue.withdraw import Withdrawal
from latentsep.catalogue.withdrawn import FORGOTTEN, WITHDRAWN
from latentsep.errors import ObjectMissingError
from latentsep.storage import RetryPolicy, Store

__all__ = [
    "FORGOTTEN",
    "Committed",
    "Ledger",
    "LedgerState",
    "read_rejects",
    "read_results",
    "read_withdrawn",
]


@dataclass(frozen=True)
class Committed:
    """What one commit did.

    Attributes:
        results: result rows that were written.
        rejects: reject rows that were written.
        dropped_ids: tracks of which no row was written, since they are finished, by this driver or
            another one, or forgotten.
        parts: keys of the new parts.
    """

    results: int
    rejects: int
    dropped_ids: frozenset[str]
    parts: tuple[str, ...]


class Ledger:
    """The log of one output, as one driver sees it. For one thread at a time.

    Any number of drivers may commit to one output: of all result rows for one track the first
    that is committed counts, and the others are never written.
    """

    def __init__(self, store: Store, writer_id: str, retry: RetryPolicy | None = None) -> None:
        """Ask nothing yet.

        Args:
            store: the output.
            writer_id: names this driver in the parts it makes.
            retry: how often and with which pauses a conflict or a lost reply is followed up.
        """
        self._store = store
        self._retry = retry or RetryPolicy()
        self._results = PartLog(store, RESULTS, writer_id, self._retry)
        self._rejects = PartLog(store, REJECTS, writer_id, self._retry)
        self._withdrawn = PartLog(store, WITHDRAWN, writer_id, self._retry)
        self._is_loaded = False
        self._finished = pa.chunked_array([], pa.string())
        self._forgotten = pa.array([], pa.string())
        self._records_seen = 0

    def with_store(self, store: Store) -> "Ledger":
        """This ledger by another way to the same output, such as one that gives up sooner."""
        other = copy.copy(self)
        other._store = store
        other._results = self._results.with_store(store)
        other._rejects = self._rejects.with_store(store)
        other._withdrawn = self._withdrawn.with_store(store)
        return other

    def load(self) -> LedgerState:
        """Read what is committed.

        Raises:
            LedgerError: a part is missing or damaged, or the output cannot be read.
        """
        logs = (self._results, self._rejects, self._withdrawn)
        keys = [part_keys(self._store, log.kind) for log in logs]
        state = load_state(self._store, *keys)
        # A reload that is interrupted here is done again.
        self._is_loaded = False
        for log, its_keys in zip(logs, keys, strict=True):
            log.next_number = len(its_keys) + 1
        self._finished, self._forgotten = state.finished.column(ID), state.forgotten
        self._records_seen = len(keys[2])
        self._is_loaded = True
        return state

    def commit(self, results: pa.Table, rejects: pa.Table) -> Committed:
        """Write rows for good; what this returns is what is in the store.

        Of rows for a finished or forgotten track nothing is written, and of two results for one
        track the first one is. Results go first, so a kill in between leaves tracks without a row,
        which the next run does again.

        Args:
            results: columns of ``schema.RESULT`` and further ones; ``committed_at`` is set here.
            rejects: columns of ``schema.REJECT`` and further ones; ``committed_at`` is set here.

        Raises:
            LedgerError: it is impossible, or in doubt. The same call may be made again: rows that
                were written after all are then among the dropped ones.
        """
        if not self._is_loaded:
            self.load()
        self._learn_forgotten()
        given = _ids(results) | _ids(rejects)
        result_key, written = self._commit_results(results)
        written = self._without_forgotten(written)
        reject_key, refused = self._commit_rejects(rejects)
        return Committed(
            results=written.num_rows,
            rejects=refused.num_rows,
            dropped_ids=frozenset(given - _ids(written) - _ids(refused)),
            parts=tuple(key for key in (result_key, reject_key) if key is not None),
        )

    def withdraw(self, ids: Iterable[str], reason: str) -> int:
        """Take the rows of these tracks out of the ledger, after a record of them in withdrawn/.

        A kill at any point loses nothing: asking for the same again completes it. Their rejects
        go as well. With the reason ``FORGOTTEN`` the ids are on record even without a row, and no
        run separates them again. The stems are not touched; the record says where they lie.

        To be done while no other driver works on the output: one that does may have tracks of
        these in flight, whose rows come later.

        Returns:
            How many result rows went.

        Raises:
            LedgerError: a part cannot be read or replaced.
        """
        if not self._is_loaded:
            self.load()
        wanted = pc.unique(pa.array(ids, pa.string()))
        if not len(wanted):
            return 0
        withdrawal = Withdrawal(self._store, self._withdrawn, self._retry)
        went = withdrawal.run(wanted, reason, self._forgotten)
        finished = without_ids(pa.table({ID: self._finished}), wanted)
        self._finished = finished.column(ID)
        if reason == FORGOTTEN:
            self._forgotten = pc.unique(pa.concat_arrays([self._forgotten, wanted]))
        return went

    def _commit_results(self, rows: pa.Table) -> tuple[str | None, pa.Table]:
        if not rows.num_rows:
            return None, rows
        rows = self._open(_first_of_each(_stamped(rows, RESULTS)))
        return self._results.append(
            rows, self._without_others, lambda ours: self._add_finished(ours.column(ID))
        )

    def _commit_rejects(self, rows: pa.Table) -> tuple[str | None, pa.Table]:
        if not rows.num_rows:
            return None, rows
        rows = self._open(_stamped(rows, REJECTS))
        return self._rejects.append(rows, lambda ours, other_ids: ours)

    def _open(self, rows: pa.Table) -> pa.Table:
        """The rows of tracks that are neither finished nor forgotten."""
        rows = without_ids(rows, ids_among(self._finished, rows.column(ID)))
        return without_ids(rows, self._forgotten)

    def _without_others(self, ours: pa.Table, other_ids: pa.ChunkedArray) -> pa.Table:
        """What is left of our rows once another driver's part counts."""
        self._add_finished(other_ids)
        return without_ids(ours, other_ids)

    def _without_forgotten(self, written: pa.Table) -> pa.Table:
        """Take out again what was forgotten during its commit; gives what stays.

        Who forgets writes the record first and then looks at the parts; a commit writes its part
        first and then looks at the record. So at least one of the two sees the other.
        """
        if not written.num_rows:
            return written
        self._learn_forgotten()
        forgotten = ids_among(written.column(ID), self._forgotten).combine_chunks()
        if len(forgotten):
            withdrawal = Withdrawal(self._store, self._withdrawn, self._retry)
            withdrawal.run(forgotten, FORGOTTEN, self._forgotten)
        return without_ids(written, forgotten)

    def _learn_forgotten(self) -> None:
        """Others may have taken tracks down since the last look."""
        while (record := self._next_record()) is not None:
            ids = record.filter(pc.equal(record.column("reason"), FORGOTTEN)).column(ID)
            self._forgotten = pc.unique(pa.chunked_array([self._forgotten, *ids.chunks]))
            self._records_seen += 1

    def _next_record(self) -> pa.Table | None:
        key = WITHDRAWN.key(self._records_seen + 1)
        try:
            return read_part_if_there(self._store, WITHDRAWN, key, [ID, "reason"])
        except ObjectMissingError:
            return None

    def _add_finished(self, ids: pa.ChunkedArray) -> None:
        self._finished = pa.chunked_array([*self._finished.chunks, *ids.chunks], pa.string())


def read_results(store: Store, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The result rows, one table for each part in order; columns that a part lacks are null.

    Args:
        store: the output.
        columns: names of the wanted columns; None for all that each part has.

    Raises:
        LedgerError: a part is missing or damaged.
    """
    yield from _read(store, RESULTS, columns)


def read_rejects(store: Store, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The reject rows, see ``read_results``."""
    yield from _read(store, REJECTS, columns)


def read_withdrawn(store: Store, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The record of withdrawn rows, see ``read_results``."""
    yield from _read(store, WITHDRAWN, columns)


def _read(store: Store, kind: PartKind, columns: Sequence[str] | None) -> Iterator[pa.Table]:
    return read_parts(store, kind, part_keys(store, kind), columns)


def _ids(rows: pa.Table) -> set[str]:
    return set(rows.column(ID).to_pylist()) if rows.num_rows else set()


def _stamped(rows: pa.Table, kind: PartKind) -> pa.Table:
    """Rows as the schema wants them, committed now."""
    now = pa.array([datetime.now(UTC)] * rows.num_rows, kind.schema.field("committed_at").type)
    if "committed_at" in rows.column_names:
        rows = rows.drop_columns(["committed_at"])
    return conformed(rows.append_column("committed_at", now), kind)


def _first_of_each(rows: pa.Table) -> pa.Table:
    """Of several rows for one track the first."""
    ids = rows.column(ID).to_pylist()
    first = {track_id: row for row, track_id in reversed(list(enumerate(ids)))}
    return rows.take(pa.array(sorted(first.values()), pa.int64()))
