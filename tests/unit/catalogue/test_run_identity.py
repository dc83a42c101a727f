import json
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lossy_store import FAULTS, LossyStore

from latentsep.catalogue.run_identity import RUN_KEY, open_run, read_run, run_id_of
from latentsep.errors import LedgerError, OtherRunError, StoreError
from latentsep.storage import RetryPolicy, open_store

QUICK = RetryPolicy(attempts=5, first_pause_s=0.0001, longest_pause_s=0.0002)
IDENTITY = {"model": "default", "steps": 8, "overlap": 0.25, "blend": None, "refined": True}
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False)
)


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "out"))


@given(identity=st.dictionaries(st.text(), SCALARS, max_size=6), seed=st.randoms())
def test_the_order_of_names_does_not_matter(identity, seed):
    items = list(identity.items())
    seed.shuffle(items)
    assert run_id_of(dict(items)) == run_id_of(identity)
    assert len(run_id_of(identity)) == 16


@pytest.mark.parametrize("other", [1.0, True, "1", None, 2])
def test_values_and_types_are_told_apart(other):
    assert run_id_of({"steps": other}) != run_id_of({"steps": 1})


def test_run_id_never_changes_between_versions():
    assert run_id_of({"a": 1, "b": "ä", "c": None}) == "9c52f985da3e12c8"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_is_no_identity(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        run_id_of({"overlap": value})


@given(identity=st.dictionaries(st.text(max_size=9), SCALARS, max_size=6))
def test_an_identity_is_read_as_it_was_written(identity):
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(folder)
        run_id = open_run(store, identity, {"code_version": "1"})
        record = read_run(store)
        assert record.run_id == run_id == run_id_of(record.identity)
        assert record.about == {"code_version": "1"}
        assert open_run(store, identity, {"code_version": "2"}) == run_id


def test_no_run_has_started_in_an_empty_output(store):
    assert read_run(store) is None


def test_another_identity_is_refused_with_each_difference(store):
    open_run(store, IDENTITY, {})
    other = {**IDENTITY, "steps": 16, "overlap": 0.5, "new": "x"}
    del other["blend"]
    with pytest.raises(OtherRunError) as caught:
        open_run(store, other, {})
    lines = [line.strip() for line in str(caught.value).splitlines()[1:-1]]
    assert lines == [
        "blend: null -> (not there)", 'new: (not there) -> "x"', "overlap: 0.25 -> 0.5",
        "steps: 8 -> 16",
    ]  # fmt: skip


def test_results_without_a_run_are_not_claimed(store):
    store.write("results/part-00000001.parquet", b"")
    with pytest.raises(LedgerError, match=r"run\.json: is missing, but there are results"):
        open_run(store, IDENTITY, {})


@pytest.mark.parametrize("damage", ["", "[]", '{"run_id": 1}', "edited"])
def test_a_damaged_run_is_named(store, damage):
    open_run(store, IDENTITY, {})
    text = damage
    if damage == "edited":
        text = json.dumps({**json.loads(store.read(RUN_KEY)), "identity": {"steps": 9}})
    store.write(RUN_KEY, text.encode())
    for call in (lambda: open_run(store, IDENTITY, {}), lambda: read_run(store)):
        with pytest.raises(LedgerError, match=r"run\.json: is damaged"):
            call()


@given(faults=st.lists(st.sampled_from([one for one in FAULTS if one != "refused"]), max_size=4))
def test_lost_replies_and_collisions_are_followed_up(faults):
    with tempfile.TemporaryDirectory() as folder:
        lossy = LossyStore(open_store(folder), faults)
        assert open_run(lossy, IDENTITY, {}, QUICK) == run_id_of(IDENTITY)
        lossy.arrive()
        assert read_run(lossy).run_id == run_id_of(IDENTITY)


def test_a_run_that_cannot_be_made_is_an_error(store):
    with pytest.raises(LedgerError, match="cannot be created, tried 5 times"):
        open_run(LossyStore(store, ["conflict"] * 9), IDENTITY, {}, QUICK)
    with pytest.raises(StoreError, match="no space"):
        open_run(LossyStore(store, ["refused"]), IDENTITY, {}, QUICK)
