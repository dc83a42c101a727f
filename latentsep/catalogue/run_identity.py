"""What a run is: everything that decides the bytes of its stems, kept beside its results."""

import hashlib
import json
import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import BaseModel, Field, ValidationError

from latentsep.errors import (
    CommitStateUnknownError,
    LedgerError,
    ObjectExistsError,
    ObjectMissingError,
    OtherRunError,
    StoreError,
    WriteConflictError,
)
from latentsep.storage import RetryPolicy, Store
from latentsep.storage.retry import pauses_s

RUN_KEY = "run.json"
RUN_ID_DIGITS = 16

Scalar = str | int | float | bool | None
Identity = Mapping[str, Scalar]


class RunRecord(BaseModel, frozen=True):
    """What ``run.json`` says.

    Attributes:
        run_id: digest of the identity.
        identity: everything that decides the bytes of a stem.
        about: what does not, such as the version of the code that started the run.
        created_at: by the clock of the machine that started the run.
    """

    run_id: str
    identity: dict[str, Scalar]
    about: dict[str, object] = Field(default_factory=dict)
    created_at: datetime


def run_id_of(identity: Identity) -> str:
    """16 hex digits that change when any value, name or type in the identity does.

    Raises:
        ValueError: a value is NaN or infinite.
        TypeError: a value is not a string, number, bool or None.
    """
    return hashlib.sha256(_canonical(dict(identity)).encode()).hexdigest()[:RUN_ID_DIGITS]


def open_run(
    store: Store, identity: Identity, about: Mapping[str, object], retry: RetryPolicy | None = None
) -> str:
    """Make the output one of this identity, or see that it is; returns the run_id.

    Args:
        store: the output.
        identity: everything that decides the bytes of a stem.
        about: kept beside it for people.
        retry: how often and with which pauses a conflict or a lost reply is followed up.

    Raises:
        OtherRunError: the output is another run's; tells each difference.
        LedgerError: ``run.json`` is damaged, is missing beside results, or cannot be made.
        StoreError: the output cannot be reached.
    """
    _check_results_have_a_run(store)
    record = RunRecord(
        run_id=run_id_of(identity),
        identity=dict(identity),
        about=dict(about),
        created_at=datetime.now(UTC),
    )
    found = _created_or_found(store, record, retry or RetryPolicy())
    if found.run_id != record.run_id:
        raise OtherRunError(_refusal(store, found, record))
    return found.run_id


def read_run(store: Store) -> RunRecord | None:
    """The run whose output this is; None if no run has started here.

    Raises:
        LedgerError: ``run.json`` is damaged.
        StoreError: the output cannot be reached.
    """
    try:
        data = store.read(RUN_KEY)
    except ObjectMissingError:
        return None
    return _parsed(data, store.uri_of(RUN_KEY))


def _created_or_found(store: Store, record: RunRecord, retry: RetryPolicy) -> RunRecord:
    """Create ``run.json``, or give the one that is there; who wrote it does not matter."""
    data = record.model_dump_json(indent=2).encode()
    trouble: StoreError | None = None
    for pause_s in (0.0, *pauses_s(retry, random.Random())):
        time.sleep(pause_s)
        if (found := read_run(store)) is not None:
            return found
        try:
            store.create(RUN_KEY, data)
        except (ObjectExistsError, CommitStateUnknownError, WriteConflictError) as error:
            trouble = error
        else:
            return record
    if (found := read_run(store)) is not None:
        return found
    raise LedgerError(
        f"{store.uri_of(RUN_KEY)}: cannot be created, tried {retry.attempts} times: {trouble}; "
        "nothing was started, run again"
    ) from trouble


def _check_results_have_a_run(store: Store) -> None:
    # In this order: another driver that starts here now makes run.json before its first part.
    if next(iter(store.list("results/")), None) is not None and read_run(store) is None:
        raise LedgerError(
            f"{store.uri_of(RUN_KEY)}: is missing, but there are results, and nobody can tell "
            "whether they are of the same model and settings; restore it from a backup, or write "
            "to another output"
        )


def _parsed(data: bytes, uri: str) -> RunRecord:
    try:
        record = RunRecord.model_validate_json(data)
        is_sound = run_id_of(record.identity) == record.run_id
        reason = "its run_id is not the digest of its identity: it was edited"
    except (ValidationError, ValueError) as error:
        is_sound, reason = False, f"it cannot be read: {_first_line(error)}"
    if not is_sound:
        raise LedgerError(
            f"{uri}: is damaged, {reason}; restore it from a backup, or write to another output"
        )
    return record


def _first_line(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        return f"{place}: {first['msg']}" if place else first["msg"]
    return str(error).partition("\n")[0]


def _refusal(store: Store, found: RunRecord, wanted: RunRecord) -> str:
    lines = "\n".join(f"  {line}" for line in differences(found.identity, wanted.identity))
    return (
        f"{store.uri}: holds the results of run {found.run_id}, this one would be "
        f"{wanted.run_id}; what differs, there -> here:\n{lines}\n"
        "Write to another output, or run with the settings of the results that are there."
    )


def differences(there: Identity, here: Identity) -> list[str]:
    """What differs between two identities, one line each: there -> here."""
    return [f"{name}: {before} -> {after}" for name, before, after in changes(there, here)]


def changes(there: Identity, here: Identity) -> tuple[tuple[str, str, str], ...]:
    """Name and both values, as JSON, of what differs between two identities."""
    shown = (
        (name, _shown(there, name), _shown(here, name))
        for name in sorted(there.keys() | here.keys())
    )
    return tuple(each for each in shown if each[1] != each[2])


def _shown(identity: Identity, name: str) -> str:
    """A value as JSON, which tells 1 from 1.0, true and "1"."""
    return _canonical(identity[name]) if name in identity else "(not there)"


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
