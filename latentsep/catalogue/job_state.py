"""What ``status.json`` and the lease say together: whether a job works on an output now."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import AwareDatetime, BaseModel, ValidationError

from latentsep.catalogue.lease import SeenLease, read_lease
from latentsep.catalogue.output import STATUS_KEY
from latentsep.errors import ObjectMissingError, StoreError
from latentsep.storage.base import Store

logger = logging.getLogger(__name__)

SILENCE = timedelta(minutes=15)
"""A job that works without a lease counts as running until it has said nothing for so long."""


class StatusFile(BaseModel, frozen=True):
    """What is needed of ``status.json``; other versions may have more or less."""

    state: str
    reason: str | None = None
    job: str | None = None
    started_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = None
    manifest: str | None = None
    tracks: int | None = None
    audio_s: float | None = None


@dataclass(frozen=True)
class JobState:
    """Whether a job works on an output.

    Attributes:
        state: ``running``: the job of ``status.json`` works. ``held``: another command works on
            the output. ``stale``: a job ended without a word, or its machine does not answer; a
            rerun takes over. ``not started``: nothing was done yet. Otherwise how the last job
            ended: ``done``, ``interrupted``, ``stopped`` or ``failed``.
        holder: who works on it, or did until it became stale; for people.
        file: what the last job said; None if there is none.
    """

    state: str
    holder: str | None
    file: StatusFile | None


def job_state(store: Store, now: datetime) -> JobState:
    """Look at ``status.json`` and the lease.

    Args:
        store: the output.
        now: time by the store's clock.

    Raises:
        LedgerError: the lease is damaged.
        StoreError: they cannot be read.
    """
    # The lease first: a job that ends in between has written its last word when it is read.
    lease = read_lease(store)
    file = read_status(store)
    if lease is None or lease.record.state == "released":
        return JobState(_state_without_lease(file, lease is not None, now), None, file)
    return JobState(_state_with_lease(file, lease, now), _holder_text(lease), file)


def read_status(store: Store) -> StatusFile | None:
    """What the last job said; None if it said nothing, or nothing that can be read.

    Raises:
        StoreError: it cannot be read now.
    """
    try:
        return StatusFile.model_validate_json(store.read(STATUS_KEY))
    except ObjectMissingError:
        return None
    except ValidationError as error:
        logger.warning("event=status_unreadable store=%s faults=%d", store.uri, error.error_count())
        return None


def time_at(store: Store) -> datetime:
    """The store's time, or this machine's where an output may only be read."""
    try:
        return store.now()
    except StoreError:
        return datetime.now(UTC)


def _state_without_lease(file: StatusFile | None, had_lease: bool, now: datetime) -> str:
    if file is None:
        return "not started"
    if file.state != "running":
        return file.state
    told_at = file.updated_at
    is_silent = had_lease or told_at is None or now - told_at > SILENCE
    return "stale" if is_silent else "running"


def _state_with_lease(file: StatusFile | None, lease: SeenLease, now: datetime) -> str:
    is_its_job = file is not None and file.job == lease.record.holder.job
    if file is not None and is_its_job and file.state != "running":
        return file.state
    if lease.is_over(now) or lease.record.holder.is_gone:
        return "stale"
    return "running" if is_its_job else "held"


def _holder_text(lease: SeenLease) -> str:
    holder, since = lease.record.holder, lease.record.acquired_at
    command = f" ({holder.command})" if holder.command else ""
    return f"{holder.host}, pid {holder.pid}{command}, since {since:%F %T %Z}"
