"""The lease: one job at a time works on an output. It saves work; the ledger is safe without."""

import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType

from latentsep.catalogue.lease_record import (
    LEASE_KEY,
    Holder,
    LeaseRecord,
    SeenLease,
    read_lease,
)
from latentsep.errors import (
    CommitStateUnknownError,
    LeaseHeldError,
    LedgerError,
    ObjectChangedError,
    ObjectExistsError,
    StoreError,
    WriteConflictError,
)
from latentsep.storage import Store

__all__ = ["LEASE_KEY", "Holder", "Lease", "LeaseRecord", "SeenLease", "read_lease"]

logger = logging.getLogger(__name__)
TTL_S = 60.0
RENEWALS_PER_TTL = 3
LOOKS_PER_TTL = 20
LONGEST_PAUSE_S = 1.0
MOST_TRIES = 10
RELEASE_TRIES = 3
RELEASE_S = 10.0
"""How long the end of a job waits for its lease to be given back; it expires by itself."""

Clock = Callable[[], float]
Sleep = Callable[[float], None]
_LOST_RACE = (ObjectChangedError, ObjectExistsError, CommitStateUnknownError, WriteConflictError)


class Lease:
    """A held lease, renewed in the background until ``release``; a context manager.

    Attributes:
        lost: set when another job has taken it, or when it could not be renewed for its whole
            length, counted by this machine's monotonic clock from the last renewal's start.
        renewals: how often it was renewed.
        failed_renewals: how often it was not.
    """

    def __init__(
        self, store: Store, record: LeaseRecord, etag: str, written_s: float, clock: Clock
    ) -> None:
        self.lost = threading.Event()
        self.renewals = self.failed_renewals = 0
        self._store = store
        self._record = record
        self._etag = etag
        self._renewed_s = written_s
        self._clock = clock
        self._is_taken = False
        self._ended = threading.Event()
        self._renewer = threading.Thread(target=self._renew_to_the_end, daemon=True)
        self._renewer.start()
        threading.Thread(target=self._watch, daemon=True).start()

    @classmethod
    def acquire(
        cls,
        store: Store,
        holder: Holder,
        ttl_s: float = TTL_S,
        *,
        clock: Clock = time.monotonic,
        sleep: Sleep = time.sleep,
    ) -> "Lease":
        """Take the lease: at once if it is free, after watching it for its length if it may be.

        Free are a lease that was released, one whose holder has ended on this machine, and one
        that was not renewed for its length, by the store's clock.

        Args:
            store: the output.
            holder: who asks.
            ttl_s: length of the lease; it is renewed three times as often.
            clock: seconds that pass, whatever the time of day.
            sleep: waits between two looks.

        Raises:
            LeaseHeldError: another job holds it and is alive; tells which.
            LedgerError: it is damaged.
            StoreError: the output cannot be reached.
        """
        return _Acquisition(store, holder, ttl_s, clock, sleep).run()

    def __enter__(self) -> "Lease":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    @property
    def left_s(self) -> float:
        """Seconds until it is lost unless it is renewed before; negative afterwards."""
        return self._renewed_s + self._record.ttl_s - self._clock()

    def release(self) -> None:
        """Give the lease back; does nothing the second time."""
        self._ended.set()
        self._renewer.join(RELEASE_S)
        if self._renewer.is_alive():
            logger.warning(
                "event=lease_not_released uri=%s: the store does not answer; it expires in %g s",
                self._store.uri_of(LEASE_KEY), self._record.ttl_s,
            )  # fmt: skip

    def _renew_to_the_end(self) -> None:
        """The only place that writes: whatever happens, one request after the other."""
        pause_s = self._record.ttl_s / RENEWALS_PER_TTL
        while not self._ended.wait(pause_s):
            is_renewed = not self.lost.is_set() and self._renew()
            pause_s = self._record.ttl_s / (RENEWALS_PER_TTL if is_renewed else LOOKS_PER_TTL)
        released = self._record.model_copy(update={"state": "released"})
        for _ in range(RELEASE_TRIES):
            if self._is_taken or self._write(released):
                return

    def _renew(self) -> bool:
        is_renewed = self._write(self._record)
        self.renewals += is_renewed
        self.failed_renewals += not is_renewed
        return is_renewed

    def _write(self, record: LeaseRecord) -> bool:
        """Replace the lease by a record of ours; False: not known, or not this time."""
        started_s = self._clock()
        try:
            self._etag = self._store.replace_if(LEASE_KEY, record.to_bytes(), self._etag)
        except _LOST_RACE:
            self._look_again()
            return False
        except StoreError as error:
            logger.warning("event=lease_not_renewed reason=%s", error)
            return False
        self._renewed_s = started_s
        return True

    def _look_again(self) -> None:
        """Learn the etag of our own write whose reply was lost, or that another job has it."""
        try:
            seen = read_lease(self._store)
            if seen is None:
                self._etag = self._store.create(LEASE_KEY, self._record.to_bytes())
                return
        except LedgerError as error:
            self._lose(str(error))
            return
        except StoreError as error:
            logger.warning("event=lease_not_renewed reason=%s", error)
            return
        if seen.record.session == self._record.session:
            self._etag = seen.etag
        else:
            self._lose(f"{described(seen)} has taken it")

    def _lose(self, reason: str) -> None:
        self._is_taken = True
        self.lost.set()
        logger.error("event=lease_lost uri=%s: %s", self._store.uri_of(LEASE_KEY), reason)

    def _watch(self) -> None:
        """Sets ``lost`` in time even while a request hangs."""
        while (left_s := self.left_s) > 0:
            if self._ended.wait(left_s):
                return
        if not self._is_taken:
            self.lost.set()
            logger.error(
                "event=lease_lost uri=%s: not renewed for %g s, the store did not answer",
                self._store.uri_of(LEASE_KEY), self._record.ttl_s,
            )  # fmt: skip


@dataclass
class _Acquisition:
    """One call of ``Lease.acquire``: look and try until a write of ours is acknowledged."""

    store: Store
    holder: Holder
    ttl_s: float
    clock: Clock
    sleep: Sleep
    session: str = field(default_factory=lambda: secrets.token_hex(16))
    tries: int = 0

    def run(self) -> Lease:
        """The lease, or LeaseHeldError once another holder shows that it is alive."""
        seen, now = self._look()
        if seen is not None and not self._is_free(seen, now):
            logger.warning(
                "event=lease_watched uri=%s ttl_s=%g: %s may have died; this is known when it has "
                "not renewed its lease for that long",
                self.store.uri_of(LEASE_KEY), seen.record.ttl_s, described(seen),
            )  # fmt: skip
        while True:
            is_free = seen is None or self._is_free(seen, now)
            if is_free and (lease := self._take(seen, now)) is not None:
                return lease
            self.sleep(min(self.ttl_s / LOOKS_PER_TTL, LONGEST_PAUSE_S))
            before = seen
            seen, now = self._look()
            # Somebody wrote since: one who is alive, unless this was ours, a release, or the last.
            if seen is not None and (before is None or seen.etag != before.etag):
                self._check_free(seen, now)

    def _look(self) -> tuple[SeenLease | None, datetime]:
        # In this order: a lease renewed in between is not taken for an expired one.
        now = self.store.now()
        return read_lease(self.store), now

    def _is_free(self, seen: SeenLease, now: datetime) -> bool:
        is_ours = seen.record.session == self.session
        return is_ours or seen.is_over(now) or seen.record.holder.is_gone

    def _check_free(self, seen: SeenLease, now: datetime) -> None:
        if not self._is_free(seen, now):
            raise LeaseHeldError(
                f"{self.store.uri}: {described(seen)} works on this output and is alive; let it "
                "end or stop it, or write to another output"
            )

    def _take(self, seen: SeenLease | None, now: datetime) -> Lease | None:
        """Write our record over a free one; None if somebody else did, or may have."""
        record = LeaseRecord(
            state="held",
            holder=self.holder,
            session=self.session,
            ttl_s=self.ttl_s,
            acquired_at=now,
        )
        data, written_s = record.to_bytes(), self.clock()
        self.tries += 1
        try:
            if seen is None:
                etag = self.store.create(LEASE_KEY, data)
            else:
                etag = self.store.replace_if(LEASE_KEY, data, seen.etag)
        except _LOST_RACE:
            if self.tries >= MOST_TRIES:
                raise
            return None
        if seen is not None:
            logger.info("event=lease_taken_over from=%s", described(seen))
        return Lease(self.store, record, etag, written_s, self.clock)


def described(seen: SeenLease) -> str:
    """The holder, for people."""
    holder, since = seen.record.holder, seen.record.acquired_at
    return (
        f"the job {holder.job} on {holder.host} (pid {holder.pid}, {holder.command or 'unknown'}, "
        f"since {since:%Y-%m-%d %H:%M:%S} UTC)"
    )
