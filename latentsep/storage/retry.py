"""Tries a request again within bounds, and keeps in mind whether it may have been carried out."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from latentsep.errors import CommitStateUnknownError, StoreError
from latentsep.storage.settings import RetryPolicy

Result = TypeVar("Result")


@dataclass(frozen=True)
class Fault:
    """What one failed request means.

    Attributes:
        error: what the caller gets if there is no other attempt.
        again: another attempt may succeed.
        in_doubt: the server may have carried the request out.
    """

    error: StoreError
    again: bool = False
    in_doubt: bool = False


class RequestFailedError(Exception):
    """Carries the fault of one request up to the loop that decides about another attempt."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault.error))
        self.fault = fault


def pauses_s(policy: RetryPolicy, random_source: random.Random) -> Iterator[float]:
    """The pause before each further attempt: full jitter under a doubling ceiling."""
    for number in range(policy.attempts - 1):
        ceiling_s = min(policy.longest_pause_s, policy.first_pause_s * 2**number)
        yield random_source.uniform(0.0, ceiling_s)


def with_retries(
    request: Callable[[], Result], policy: RetryPolicy, random_source: random.Random
) -> Result:
    """Send a request that may safely be repeated.

    Raises:
        StoreError: the request's own trouble, or that of the last attempt.
    """
    return _attempts(request, policy, random_source, is_conditional=False)


def with_retries_in_doubt(
    request: Callable[[], Result], policy: RetryPolicy, random_source: random.Random
) -> Result:
    """Send a conditional write: once an attempt may have been carried out, no failure is certain.

    A repeated write that the server accepts is ours. One that it refuses may have been refused
    because of our own first attempt.

    Raises:
        CommitStateUnknownError: it failed, and it or an earlier attempt is in doubt.
        StoreError: as ``with_retries``; the write was not carried out.
    """
    return _attempts(request, policy, random_source, is_conditional=True)


def _attempts(
    request: Callable[[], Result],
    policy: RetryPolicy,
    random_source: random.Random,
    *,
    is_conditional: bool,
) -> Result:
    deadline_s = time.monotonic() + policy.total_s
    pauses = pauses_s(policy, random_source)
    in_doubt = False
    while True:
        try:
            return request()
        except RequestFailedError as failure:
            fault = failure.fault
            in_doubt = in_doubt or fault.in_doubt
            pause_s = next(pauses, None)
            is_last = pause_s is None or time.monotonic() + pause_s > deadline_s
            if is_last or not fault.again:
                cause = failure.__cause__
                raise _final_error(fault, in_doubt=in_doubt and is_conditional) from cause
        time.sleep(pause_s or 0.0)


def _final_error(fault: Fault, *, in_doubt: bool) -> StoreError:
    if not in_doubt:
        return fault.error
    return CommitStateUnknownError(
        f"{fault.error}; an earlier reply was lost, so the write may have been carried out: "
        "read the object and compare before writing again"
    )
