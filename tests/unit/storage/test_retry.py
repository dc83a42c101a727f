import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentsep.errors import CommitStateUnknownError, StoreError
from latentsep.storage import RetryPolicy
from latentsep.storage.retry import (
    Fault,
    RequestFailedError,
    pauses_s,
    with_retries,
    with_retries_in_doubt,
)

QUICK = RetryPolicy(attempts=3, first_pause_s=0.001, longest_pause_s=0.001)


@given(
    attempts=st.integers(1, 30),
    first_s=st.floats(0.001, 5),
    longest_s=st.floats(0.001, 30),
    seed=st.integers(0, 1000),
)
def test_pauses_are_counted_and_bounded(attempts, first_s, longest_s, seed):
    policy = RetryPolicy(attempts=attempts, first_pause_s=first_s, longest_pause_s=longest_s)
    pauses = list(pauses_s(policy, random.Random(seed)))
    assert len(pauses) == attempts - 1
    for number, pause in enumerate(pauses):
        assert 0 <= pause <= min(longest_s, first_s * 2**number)


def test_workers_do_not_pause_in_step():
    policy = RetryPolicy(attempts=5)
    assert len({tuple(pauses_s(policy, random.SystemRandom())) for _ in range(20)}) == 20


def failing_with(*faults):
    remaining = list(faults)

    def request():
        if remaining:
            raise RequestFailedError(remaining.pop(0))
        return "done"

    return request


CERTAIN = Fault(StoreError("certain"), again=True)
DOUBTFUL = Fault(StoreError("doubtful"), again=True, in_doubt=True)
REFUSED = Fault(StoreError("refused"))


@pytest.mark.parametrize(
    ("faults", "plain", "conditional"),
    [
        ([], "done", "done"),
        ([CERTAIN, CERTAIN], "done", "done"),
        ([DOUBTFUL, DOUBTFUL], "done", "done"),
        ([CERTAIN] * 3, StoreError, StoreError),
        ([DOUBTFUL] * 3, StoreError, CommitStateUnknownError),
        ([REFUSED], StoreError, StoreError),
        ([CERTAIN, REFUSED], StoreError, StoreError),
        ([DOUBTFUL, REFUSED], StoreError, CommitStateUnknownError),
        ([DOUBTFUL, CERTAIN, CERTAIN], StoreError, CommitStateUnknownError),
    ],
)
def test_only_a_conditional_write_stays_in_doubt(faults, plain, conditional):
    for send, outcome in ((with_retries, plain), (with_retries_in_doubt, conditional)):
        if isinstance(outcome, str):
            assert send(failing_with(*faults), QUICK, random.Random(0)) == outcome
            continue
        with pytest.raises(outcome) as caught:
            send(failing_with(*faults), QUICK, random.Random(0))
        assert type(caught.value) is outcome
