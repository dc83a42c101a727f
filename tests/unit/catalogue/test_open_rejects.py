import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_outputs import TinyOutput, reject_row, result_row

from latentsep.catalogue import open_rejects
from latentsep.catalogue.ledger import FORGOTTEN, Ledger
from latentsep.catalogue.open_rejects import forgotten_ids, latest_rejects
from latentsep.storage import open_store

COLUMNS = ["track_id", "retryable", "stage", "error_class"]


@pytest.fixture
def output(tmp_path):
    return TinyOutput(open_store(str(tmp_path / "out")))


def ids_of(table):
    return table.column("track_id").to_pylist()


def test_the_latest_reject_of_each_unfinished_track_stands(output):
    output.commit(rejects=[reject_row("a", message="first"), reject_row("b"), reject_row("c")])
    output.commit(results=[result_row("b")], rejects=[reject_row("a", message="second")])
    standing = latest_rejects(output.store)
    assert ids_of(standing) == ["c", "a"]
    assert standing.column("message").to_pylist() == ["c is no audio", "second"]


def test_rejects_of_forgotten_tracks_do_not_stand(output):
    output.commit(rejects=[reject_row("a"), reject_row("b")])
    output.ledger.withdraw(["a", "never seen"], FORGOTTEN)
    assert ids_of(latest_rejects(output.store)) == ["b"]
    assert sorted(forgotten_ids(output.store).to_pylist()) == ["a", "never seen"]


def test_an_output_without_parts_has_none(output):
    assert latest_rejects(output.store).num_rows == 0
    assert latest_rejects(output.store, ["track_id", "stage"]).column_names == ["track_id", "stage"]
    assert len(forgotten_ids(output.store)) == 0


def test_further_columns_of_different_manifests_come_together(output):
    output.commit(rejects=[reject_row("a", year=1999)], further=[("year", pa.int64())])
    output.commit(
        rejects=[reject_row("b", year="2001", genre="jazz")],
        further=[("year", pa.string()), ("genre", pa.string())],
    )
    output.commit(rejects=[reject_row("c")])
    standing = latest_rejects(output.store)
    assert standing.column("year").to_pylist() == ["1999", "2001", None]
    assert standing.column("genre").to_pylist() == [None, "jazz", None]


def test_a_further_column_of_lists_and_of_numbers_becomes_text(output):
    output.commit(
        rejects=[reject_row("a", tags=["x", "y"])], further=[("tags", pa.list_(pa.string()))]
    )
    output.commit(rejects=[reject_row("b", tags=3)], further=[("tags", pa.int64())])
    assert latest_rejects(output.store).column("tags").to_pylist() == ["['x', 'y']", "3"]


EVENTS = st.lists(
    st.tuples(st.sampled_from(["result", "reject", "forget"]), st.sampled_from("abcdef")),
    max_size=25,
)


@settings(max_examples=25)
@given(events=EVENTS, rows_at_once=st.integers(1, 5))
def test_they_are_those_that_the_next_job_sees(tmp_path_factory, events, rows_at_once):
    output = TinyOutput(open_store(str(tmp_path_factory.mktemp("out"))))
    for number, (kind, track_id) in enumerate(events):
        if kind == "result":
            output.commit(results=[result_row(track_id)])
        elif kind == "reject":
            output.commit(rejects=[reject_row(track_id, error_class=f"Error{number}")])
        else:
            output.ledger.withdraw([track_id], FORGOTTEN)
    expected = Ledger(output.store, "next").load()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(open_rejects, "ROWS_AT_ONCE", rows_at_once)
        standing = latest_rejects(output.store, COLUMNS)
    assert standing.select(COLUMNS).to_pylist() == expected.rejected.select(COLUMNS).to_pylist()
    assert set(forgotten_ids(output.store).to_pylist()) == set(expected.forgotten.to_pylist())
