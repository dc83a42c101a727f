"""Appends parts to a log that other drivers may append to at the same time."""

import copy
import logging
import random
import secrets
import time
from collections.abc import Callable

import pyarrow as pa

from latentsep.catalogue.ledger_parts import (
    ID,
    PartKind,
    Stamp,
    part_bytes,
    read_part_if_there,
    stamp_of,
)
from latentsep.errors import (
    CommitStateUnknownError,
    LedgerError,
    ObjectExistsError,
    ObjectMissingError,
    StoreError,
    WriteConflictError,
)
from latentsep.storage import RetryPolicy, Store
from latentsep.storage.retry import pauses_s

logger = logging.getLogger(__name__)

OnOther = Callable[[pa.Table, pa.ChunkedArray], pa.Table]
"""Takes our rows and the ids of another driver's part; gives the rows that are still to write."""


class PartLog:
    """One kind of parts. Numbers are dense, and each is decided once, by a conditional creation."""

    def __init__(self, store: Store, kind: PartKind, writer_id: str, retry: RetryPolicy) -> None:
        self._store = store
        self.kind = kind
        self._writer_id = writer_id
        self._retry = retry
        self.next_number = 1

    def with_store(self, store: Store) -> "PartLog":
        """The same log by another way to the same output."""
        other = copy.copy(self)
        other._store = store
        return other

    def append(
        self,
        rows: pa.Table,
        on_other: OnOther,
        on_ours: Callable[[pa.Table], None] = lambda rows: None,
    ) -> tuple[str | None, pa.Table]:
        """Write the rows as the next part; numbers that others took meanwhile are passed.

        Every turn of the loop either ends it or passes a part that another driver made, so it
        ends as soon as this driver is the first once. A number counts as passed only after
        ``on_other`` or ``on_ours`` knows its rows, so that an interruption in between, as by
        Ctrl-C, cannot make a later commit write them again.

        Returns:
            The part's key and its rows; None and no rows if ``on_other`` left none.

        Raises:
            LedgerError: the part cannot be written, or it is not known whether it was. Calling
                again with the same rows is safe: the same number is tried.
        """
        while rows.num_rows:
            key = self.kind.key(self.next_number)
            other_ids = self._create(key, rows)
            if other_ids is None:
                on_ours(rows)
                self.next_number += 1
                logger.info("event=part_committed part=%s rows=%d", key, rows.num_rows)
                return key, rows
            logger.warning(
                "event=part_of_another_driver part=%s rows=%d: its rows count, ours for the same "
                "tracks do not", key, len(other_ids),
            )  # fmt: skip
            rows = on_other(rows, other_ids)
            self.next_number += 1
        return None, rows

    def _create(self, key: str, rows: pa.Table) -> pa.ChunkedArray | None:
        """None if the part is ours; the ids in it if it is another driver's."""
        stamp = Stamp(self._writer_id, secrets.token_hex(16))
        data = part_bytes(rows, stamp)
        trouble: StoreError | None = None
        for pause_s in (0.0, *pauses_s(self._retry, random.Random())):
            time.sleep(pause_s)
            try:
                self._store.create(key, data)
            except (ObjectExistsError, CommitStateUnknownError, WriteConflictError) as error:
                trouble = error
            except StoreError as error:
                raise LedgerError(self._refusal(key, error)) from error
            else:
                return None
            # A write in doubt that arrives late meets this same number, so it is ours or it fails.
            if (found := self._found(key)) is not None:
                return None if stamp_of(found) == stamp else found.column(ID)
        raise LedgerError(
            f"{self._store.uri_of(key)}: tried {self._retry.attempts} times, and it is not known "
            f"whether it was or will be written: {trouble}; what was committed before stands, and "
            "a rerun finds out"
        ) from trouble

    def _found(self, key: str) -> pa.Table | None:
        try:
            return read_part_if_there(self._store, self.kind, key, [ID])
        except ObjectMissingError:
            return None

    def _refusal(self, key: str, error: StoreError) -> str:
        advice = (
            "this may pass by itself, run again later"
            if error.retryable
            else "this will not pass by itself, the cause has to be removed first"
        )
        return (
            f"{self._store.uri_of(key)}: cannot be written: {error}; what was committed before "
            f"stands; {advice}"
        )
