"""Takes rows out of the ledger again: for sources that changed, and for tracks to forget."""

import logging
import random
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from latentsep.catalogue.ledger_log import PartLog
from latentsep.catalogue.ledger_parts import (
    ID,
    REJECTS,
    RESULTS,
    PartKind,
    in_order,
    part_bytes,
    part_keys,
    read_part,
    stamp_of,
)
from latentsep.catalogue.ledger_state import ids_among, without_ids
from latentsep.catalogue.withdrawn import FORGOTTEN, WITHDRAWN, WITHDRAWN_COLUMNS
from latentsep.errors import (
    CommitStateUnknownError,
    LedgerError,
    ObjectChangedError,
    StoreError,
    WriteConflictError,
)
from latentsep.storage import RetryPolicy, Store
from latentsep.storage.retry import pauses_s

logger = logging.getLogger(__name__)
_FROM_RESULT = tuple(
    column.name for column in WITHDRAWN_COLUMNS if column.name in RESULTS.schema.names
)


@dataclass(frozen=True)
class Withdrawal:
    """One call of ``Ledger.withdraw``: a record, then the rows go, rejects before results.

    In this order a kill at any point leaves either the result row, which the same call finds
    again, or nothing of the track. A reject that outlived the result would keep the track from
    being tried again.
    """

    store: Store
    log: PartLog
    retry: RetryPolicy

    def run(self, ids: pa.Array, reason: str, forgotten: pa.Array) -> int:
        """Withdraw; returns how many result rows went. See ``Ledger.withdraw``."""
        results, rejects = part_keys(self.store, RESULTS), part_keys(self.store, REJECTS)
        held = self._rows(results, ids)
        self._record(held, ids, reason, forgotten)
        if reason == FORGOTTEN:
            # A driver that did not know the record may have committed a row meanwhile.
            later = part_keys(self.store, RESULTS)[len(results) :]
            self._record(self._rows(later, ids), ids, reason, ids)
            results, rejects = [*results, *later], part_keys(self.store, REJECTS)
        self._rewrite(REJECTS, rejects, ids)
        return self._rewrite(RESULTS, results, ids)

    def _rows(self, keys: Sequence[str], ids: pa.Array) -> pa.Table:
        """What the record keeps of the result rows of these tracks."""

        def of_part(key: str) -> pa.Table:
            part = read_part(self.store, RESULTS, key, _FROM_RESULT)
            return part.filter(pc.is_in(part.column(ID), value_set=ids))

        schema = pa.schema(
            [RESULTS.schema.field(name).with_nullable(True) for name in _FROM_RESULT]
        )
        parts = [
            pa.Table.from_arrays(part.columns, schema=schema) for part in in_order(of_part, keys)
        ]
        return pa.concat_tables([schema.empty_table(), *parts])

    def _record(self, held: pa.Table, ids: pa.Array, reason: str, forgotten: pa.Array) -> None:
        rows = [held]
        if reason == FORGOTTEN:
            # Tracks without a result are put on record as well: they must not be separated.
            rest = without_ids(pa.table({ID: ids}), held.column(ID))
            rows.append(without_ids(rest, forgotten))
        table = pa.concat_tables(rows, promote_options="default")
        constant = {"reason": reason, "withdrawn_at": datetime.now(UTC)}
        columns = [
            pa.array([constant[item.name]] * table.num_rows, item.type)
            if item.name in constant
            else table.column(item.name).cast(item.type)
            for item in WITHDRAWN.schema
        ]
        self.log.append(
            pa.Table.from_arrays(columns, schema=WITHDRAWN.schema), lambda rows, other: rows
        )

    def _rewrite(self, kind: PartKind, keys: Sequence[str], ids: pa.Array) -> int:
        return sum(in_order(partial(self._rewrite_part, kind, ids), keys))

    def _rewrite_part(self, kind: PartKind, ids: pa.Array, key: str) -> int:
        """Replace one part by itself without these tracks; returns how many rows went."""
        went, trouble = 0, None
        for pause_s in (0.0, *pauses_s(self.retry, random.Random())):
            time.sleep(pause_s)
            etag, rest, surplus = self._look(kind, ids, key)
            went = surplus or went
            if not surplus:
                return went
            # The nonce stays: the driver that made the part has to know it again.
            data = part_bytes(rest, stamp_of(rest), rewrite=secrets.token_hex(16))
            try:
                self.store.replace_if(key, data, etag)
            except (ObjectChangedError, CommitStateUnknownError, WriteConflictError) as error:
                trouble = error
            except StoreError as error:
                raise LedgerError(f"{self._unfinished(key)}: {error}") from error
            else:
                logger.info("event=rows_withdrawn part=%s rows=%d", key, surplus)
                return went
        raise LedgerError(f"{self._unfinished(key)}: {trouble}") from trouble

    def _look(self, kind: PartKind, ids: pa.Array, key: str) -> tuple[str, pa.Table, int]:
        """Etag of a part, its rows without these tracks, and how many those had.

        The etag is asked for first: while it is the same, what is read afterwards belongs to it.
        """
        try:
            etag = self.store.stat(key).etag
        except StoreError as error:
            raise LedgerError(f"{self._unfinished(key)}: {error}") from error
        held = read_part(self.store, kind, key, [ID])
        if not len(ids_among(held.column(ID), ids)):
            return etag, held, 0
        part = read_part(self.store, kind, key)
        rest = without_ids(part, ids)
        return etag, rest, part.num_rows - rest.num_rows

    def _unfinished(self, key: str) -> str:
        return (
            f"{self.store.uri_of(key)}: the rows to withdraw are on record but still in this part; "
            "ask for the same again"
        )
