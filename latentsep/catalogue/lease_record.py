"""Who works on an output: what ``lease.json`` says."""

import os
import secrets
import socket
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, ValidationError

from latentsep.errors import LedgerError, ObjectMissingError
from latentsep.storage import Store

LEASE_KEY = "lease.json"
_PROC = Path("/proc")


@dataclass(frozen=True)
class Holder:
    """One process that works on an output.

    The kernel's boot id and the number of its namespace of processes say whether another process
    of the same kernel would see this one under its pid; both are empty where there is no /proc.

    Attributes:
        host: name of the machine, for people.
        pid: number of the process.
        process_start_ticks: when it started, in clock ticks since the boot; None if unknown.
        boot_id: changes with each boot.
        pid_namespace: differs between containers.
        job: random token of this job.
        command: what was started, for people.
    """

    host: str
    pid: int
    process_start_ticks: int | None
    boot_id: str
    pid_namespace: str
    job: str
    command: str = ""

    @classmethod
    def of_this_process(cls) -> "Holder":
        """This process, with a job token of its own."""
        return cls(
            host=socket.gethostname(),
            pid=os.getpid(),
            process_start_ticks=_start_ticks(os.getpid()),
            boot_id=_boot_id(),
            pid_namespace=_pid_namespace(),
            job=secrets.token_hex(8),
            command=Path(sys.argv[0]).name,
        )

    @property
    def is_gone(self) -> bool:
        """Whether this machine can tell for certain that the process has ended."""
        here = (socket.gethostname(), _boot_id(), _pid_namespace())
        if here != (self.host, self.boot_id, self.pid_namespace) or not self.boot_id:
            return False
        return self.process_start_ticks != _start_ticks(self.pid) and not _is_hidden(self.pid)


class LeaseRecord(BaseModel, frozen=True):
    """What ``lease.json`` holds.

    Attributes:
        state: ``held``, or ``released`` by a holder that ended.
        holder: who holds or held it.
        session: random token of this acquisition.
        ttl_s: the lease is over when it was not renewed for this long, by the store's clock.
        acquired_at: by the store's clock.
        token: random, and of random length: two writes never have one etag, on any store.
    """

    state: Literal["held", "released"]
    holder: Holder
    session: str
    ttl_s: float = Field(gt=0, allow_inf_nan=False)
    acquired_at: datetime
    token: str = ""

    def to_bytes(self) -> bytes:
        """As JSON, with a new token."""
        token = secrets.token_hex(16 + secrets.randbelow(64))
        return self.model_copy(update={"token": token}).model_dump_json(indent=2).encode()


@dataclass(frozen=True)
class SeenLease:
    """A lease as it lies in the store."""

    record: LeaseRecord
    etag: str
    renewed_at: datetime

    def is_over(self, now: datetime) -> bool:
        """Whether it is free at ``now``, by the store's clock."""
        is_expired = (now - self.renewed_at).total_seconds() > self.record.ttl_s
        return self.record.state == "released" or is_expired


def read_lease(store: Store) -> SeenLease | None:
    """The lease of an output; None if there never was one.

    Raises:
        LedgerError: it is damaged.
        StoreError: the output cannot be reached.
    """
    try:
        # While the etag is this one, what is read afterwards belongs to it.
        info = store.stat(LEASE_KEY)
        data = store.read(LEASE_KEY)
    except ObjectMissingError:
        return None
    try:
        record = LeaseRecord.model_validate_json(data)
    except ValidationError as error:
        raise LedgerError(
            f"{store.uri_of(LEASE_KEY)}: is damaged; if no job works on this output, delete it"
        ) from error
    return SeenLease(record, info.etag, info.modified_at)


def _start_ticks(pid: int) -> int | None:
    """Start of a process, field 22 of its stat; None if it is gone or cannot be looked at."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The name of the program, in parentheses, may hold spaces and parentheses itself.
    fields = text.rpartition(")")[2].split()
    is_dead = fields[0] in "ZX"
    return None if is_dead else int(fields[19])


def _is_hidden(pid: int) -> bool:
    """Whether it is another user's, which /proc does not show where it is mounted with hidepid."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return not (_PROC / str(pid)).exists()
    except (OSError, OverflowError):
        return False
    return False


def _boot_id() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _pid_namespace() -> str:
    try:
        return str((_PROC / "self/ns/pid").readlink())
    except OSError:
        return ""
