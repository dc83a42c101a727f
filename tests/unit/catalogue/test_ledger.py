import tempfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from catalogue_rows import NO_REJECTS, NO_RESULTS, reject_rows, result_rows
from hypothesis import given
from hypothesis import strategies as st
from lossy_store import FAULTS, LossyStore

from latentsep.catalogue.ledger import FORGOTTEN, Ledger, read_rejects, read_results, read_withdrawn
from latentsep.catalogue.ledger_parts import Stamp, part_bytes, unwritable_columns
from latentsep.catalogue.schema import RESULT
from latentsep.errors import LedgerError
from latentsep.storage import RetryPolicy, open_store

QUICK = RetryPolicy(attempts=5, first_pause_s=0.0001, longest_pause_s=0.0002)
DOCS = Path(__file__).parents[3] / "docs" / "ledger.md"
PART_1 = "results/part-00000001.parquet"
PART_2 = "results/part-00000002.parquet"


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "out"))


def ledger(store, writer="a"):
    return Ledger(store, writer, QUICK)


def rows_in(store):
    return {
        row["track_id"]: row["attempt"]
        for part in read_results(store, ["track_id", "attempt"])
        for row in part.to_pylist()
    }


def ids_in(tables):
    return [track_id for table in tables for track_id in table.column("track_id").to_pylist()]


def test_an_empty_output_has_an_empty_ledger(store):
    state = ledger(store).load()
    assert state.finished.column_names == ["track_id", "uri", "source_etag"]
    assert state.rejected.column_names == ["track_id", "retryable", "stage", "error_class"]
    assert (state.finished.num_rows, state.rejected.num_rows, len(state.forgotten)) == (0, 0, 0)
    assert list(read_results(store)) == []


def test_what_is_committed_is_loaded(store):
    done = ledger(store).commit(result_rows("a", "b"), reject_rows("c", stage="load"))
    assert (done.results, done.rejects, done.dropped_ids) == (2, 1, frozenset())
    assert done.parts == (PART_1, "rejects/part-00000001.parquet")
    state = ledger(store).load()
    assert state.finished.column("track_id").to_pylist() == ["a", "b"]
    assert state.rejected.to_pylist() == [
        {"track_id": "c", "retryable": False, "stage": "load", "error_class": "x"}
    ]


def test_a_part_has_exactly_the_schema_and_then_the_further_columns(store):
    rows = result_rows("a", isrc="007").select(["isrc", *RESULT.names[::-1]])
    ledger(store).commit(rows, NO_REJECTS)
    schema = pq.read_schema(pa.BufferReader(store.read(PART_1)))
    assert schema.names == [*RESULT.names, "isrc"]
    for item in RESULT:
        assert schema.field(item.name).equals(item, check_metadata=False)
        assert schema.field(item.name).nullable == item.nullable
        about = schema.field(item.name).metadata
        assert {key: about[key] for key in item.metadata} == item.metadata
    [part] = read_results(store)
    assert part.column("committed_at").null_count == 0
    assert part.column("isrc").to_pylist() == ["007"]


def test_a_null_that_must_not_be_is_named_and_nothing_is_written(store):
    with pytest.raises(LedgerError, match="column source_codec are null"):
        ledger(store).commit(result_rows("a", source_codec=None), NO_REJECTS)
    with pytest.raises(LedgerError, match="lack the columns host"):
        ledger(store).commit(result_rows("a").drop_columns(["host"]), NO_REJECTS)
    assert list(store.list()) == []


def test_columns_that_parquet_cannot_hold_are_named(store):
    rows = result_rows("a").append_column("extra", pa.array([{}], pa.struct([])))
    assert unwritable_columns(rows.schema) == ["extra"]
    with pytest.raises(LedgerError, match="extra; leave them out"):
        ledger(store).commit(rows, NO_REJECTS)
    assert list(store.list("results/")) == []


def test_one_call_with_a_track_twice_keeps_the_first(store):
    done = ledger(store).commit(result_rows("a", "a", attempt=["1", "2"]), NO_REJECTS)
    assert done.results == 1
    assert rows_in(store) == {"a": "1"}


def test_finished_tracks_are_dropped_results_and_rejects_alike(store):
    first = ledger(store)
    first.commit(result_rows("a", attempt="1"), NO_REJECTS)
    done = first.commit(result_rows("a", attempt="2"), reject_rows("a", "b"))
    assert (done.results, done.rejects, done.dropped_ids) == (0, 1, {"a"})
    assert rows_in(store) == {"a": "1"}
    assert ids_in(read_rejects(store)) == ["b"]


def test_a_reject_of_a_track_finished_in_the_same_call_is_dropped(store):
    done = ledger(store).commit(result_rows("a"), reject_rows("a"))
    assert (done.results, done.rejects, done.dropped_ids) == (1, 0, frozenset())


def test_the_latest_reject_counts_and_none_of_a_finished_track(store):
    first = ledger(store)
    first.commit(NO_RESULTS, reject_rows("a", "b", "a", stage=["1", "1", "2"]))
    first.commit(NO_RESULTS, reject_rows("b", stage="3", retryable=True))
    first.commit(result_rows("a"), NO_REJECTS)
    state = ledger(store).load()
    assert state.rejected.to_pylist() == [
        {"track_id": "b", "retryable": True, "stage": "3", "error_class": "x"}
    ]


def test_rows_that_another_driver_committed_meanwhile_are_dropped(store):
    first, second = ledger(store, "a"), ledger(store, "b")
    first.load(), second.load()
    first.commit(result_rows("a", "b", attempt="1"), NO_REJECTS)
    first.commit(result_rows("c", attempt="1"), NO_REJECTS)
    done = second.commit(result_rows("b", "c", "d", attempt="2"), NO_REJECTS)
    assert (done.results, done.dropped_ids) == (1, {"b", "c"})
    assert done.parts == ("results/part-00000003.parquet",)
    assert rows_in(store) == {"a": "1", "b": "1", "c": "1", "d": "2"}


@pytest.mark.parametrize("fault", ["conflict", "lost before", "lost after", "late"])
def test_a_lost_reply_or_a_collision_is_followed_up(store, fault):
    first = ledger(LossyStore(store, [fault] * 2))
    done = first.commit(result_rows("a"), NO_REJECTS)
    assert done.parts == (PART_1,)
    assert rows_in(store) == {"a": "x"}


def test_a_commit_that_stays_in_doubt_ends_in_an_error_and_can_be_repeated(store):
    lossy = LossyStore(store, ["late"] * QUICK.attempts, late_by=100)
    first = ledger(lossy)
    with pytest.raises(LedgerError, match=r"part-00000001.*not known"):
        first.commit(result_rows("a", attempt="1"), NO_REJECTS)
    lossy.arrive()
    done = first.commit(result_rows("a", "b", attempt="2"), NO_REJECTS)
    assert (done.results, done.dropped_ids) == (1, {"a"})
    assert rows_in(store) == {"a": "1", "b": "2"}


def test_a_refused_write_says_whether_it_may_pass(store):
    first = ledger(LossyStore(store, ["refused"]))
    with pytest.raises(LedgerError, match=r"part-00000001.*no space.*may pass by itself"):
        first.commit(result_rows("a"), NO_REJECTS)
    assert first.commit(result_rows("a"), NO_REJECTS).results == 1


def test_a_gap_in_the_parts_is_an_error_that_names_the_part(store):
    first = ledger(store)
    for track_id in "abc":
        first.commit(result_rows(track_id), NO_REJECTS)
    store.delete([PART_2])
    with pytest.raises(LedgerError, match=r"part-00000002\.parquet: is missing.*docs/ledger"):
        ledger(store).load()


@pytest.mark.parametrize("damage", [b"", b"PAR1 no parquet PAR1", None])
def test_a_damaged_part_is_named(store, damage):
    ledger(store).commit(result_rows("a"), NO_REJECTS)
    data = store.read(PART_1)
    store.write(PART_1, data[: len(data) // 2] if damage is None else damage)
    with pytest.raises(LedgerError, match=r"part-00000001\.parquet: is damaged.*backup"):
        ledger(store).load()


def test_a_flipped_bit_in_a_page_is_noticed(store):
    ledger(store).commit(result_rows(*(f"track {n}" for n in range(100))), NO_REJECTS)
    data = bytearray(store.read(PART_1))
    page = pq.ParquetFile(pa.BufferReader(bytes(data))).metadata.row_group(0).column(0)
    data[page.data_page_offset + page.total_compressed_size // 2] ^= 1
    store.write(PART_1, bytes(data))
    with pytest.raises(LedgerError, match="is damaged"):
        ledger(store).load()


def test_an_empty_part_in_place_of_a_lost_one_lets_its_tracks_be_done_again(store):
    first = ledger(store)
    for track_id in "ab":
        first.commit(result_rows(track_id), NO_REJECTS)
    store.write(PART_1, part_bytes(RESULT.empty_table(), Stamp("", "")))
    assert ledger(store).load().finished.column("track_id").to_pylist() == ["b"]
    ledger(store).commit(result_rows("a"), NO_REJECTS)
    assert sorted(rows_in(store)) == ["a", "b"]


def test_unknown_objects_are_passed_over_with_a_warning(store, caplog):
    ledger(store).commit(result_rows("a"), NO_REJECTS)
    store.write("results/part-1.parquet.bak", b"")
    store.write("results/part-00000000.parquet", b"")
    assert ledger(store).load().finished.num_rows == 1
    assert caplog.text.count("event=unknown_object") == 2


def test_parts_of_other_versions_are_read(store):
    ledger(store).commit(result_rows("a"), NO_REJECTS)
    older = pa.table({"track_id": pa.array(["b"], pa.large_string()), "newer": [1]})
    store.write(PART_2, part_bytes(older, Stamp("", "")))
    assert ledger(store).load().finished.column("source_etag").to_pylist() == ["x", None]
    wanted = ["track_id", "host", "newer", "nowhere"]
    assert [part.to_pylist() for part in read_results(store, wanted)] == [
        [{"track_id": "a", "host": "x", "newer": None, "nowhere": None}],
        [{"track_id": "b", "host": None, "newer": 1, "nowhere": None}],
    ]
    store.write(PART_2, part_bytes(pa.table({"id": ["b"]}), Stamp("", "")))
    with pytest.raises(LedgerError, match="no column track_id"):
        ledger(store).load()


def test_copied_parts_are_counted_once_with_a_warning(store, caplog):
    ledger(store).commit(result_rows("a", "b"), NO_REJECTS)
    store.write(PART_2, store.read(PART_1))
    assert ledger(store).load().finished.column("track_id").to_pylist() == ["a", "b"]
    assert "event=tracks_with_two_results" in caplog.text


def test_withdrawn_tracks_are_done_again_and_their_old_rejects_do_not_stand(store):
    first = ledger(store)
    first.commit(NO_RESULTS, reject_rows("a"))
    first.commit(result_rows("a", "b", attempt="1", isrc="7"), NO_REJECTS)
    assert first.withdraw(["a", "nobody"], "source changed") == 1
    state = ledger(store).load()
    assert state.finished.column("track_id").to_pylist() == ["b"]
    assert state.rejected.num_rows == len(state.forgotten) == 0
    [record] = read_withdrawn(store)
    assert record.select(["track_id", "reason", "attempt"]).to_pylist() == [
        {"track_id": "a", "reason": "source changed", "attempt": "1"}
    ]
    assert first.commit(result_rows("a", attempt="2"), NO_REJECTS).results == 1
    assert rows_in(store) == {"a": "2", "b": "1"}
    [kept, _] = read_results(store)
    assert kept.column("isrc").to_pylist() == ["7"]


def test_forgotten_tracks_stay_out_for_ever(store):
    first = ledger(store)
    first.commit(result_rows("a", "b"), reject_rows("c"))
    assert first.withdraw(["a", "c", "unseen"], FORGOTTEN) == 1
    assert first.withdraw(["a"], FORGOTTEN) == 0
    for one in (first, ledger(store)):
        done = one.commit(result_rows("a", "unseen"), reject_rows("c"))
        assert (done.results, done.rejects, done.dropped_ids) == (0, 0, {"a", "c", "unseen"})
    state = ledger(store).load()
    assert sorted(state.forgotten.to_pylist()) == ["a", "c", "unseen"]
    assert state.finished.column("track_id").to_pylist() == ["b"]
    assert state.rejected.num_rows == 0
    assert sorted(ids_in(read_withdrawn(store))) == ["a", "c", "unseen"]


@given(fault=st.sampled_from(FAULTS), at=st.integers(0, 5), forget=st.booleans())
def test_a_withdrawal_cut_short_loses_nothing_and_can_be_repeated(fault, at, forget):
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(folder)
        ledger(store).commit(result_rows("a", "b"), reject_rows("c"))
        reason = FORGOTTEN if forget else "source changed"
        lossy = LossyStore(store, ["fine"] * at + [fault] * QUICK.attempts)
        try:
            ledger(lossy).withdraw(["a", "c"], reason)
        except LedgerError:
            on_record = ids_in(read_withdrawn(store))
            assert "a" in rows_in(store) or "a" in on_record
            lossy.faults.clear()
            ledger(lossy).withdraw(["a", "c"], reason)
        lossy.arrive()
        state = ledger(store).load()
        assert (list(rows_in(store)), ids_in(read_rejects(store))) == (["b"], [])
        assert sorted(state.forgotten.to_pylist()) == (["a", "c"] if forget else [])


def test_two_withdrawals_of_one_part_at_once_both_happen(store):
    ids = [f"{number}" for number in range(20)]
    ledger(store).commit(result_rows(*ids), NO_REJECTS)
    barrier = threading.Barrier(4, timeout=60)

    def withdraw(number):
        mine = ledger(store, f"{number}")
        mine.load()
        barrier.wait()
        return mine.withdraw(ids[number * 4 : number * 4 + 4], "source changed")

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(withdraw, range(4))) == 16
    assert sorted(rows_in(store)) == sorted(ids[16:])


BATCHES = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.lists(st.integers(0, 9), max_size=5),
        st.lists(st.integers(0, 9), max_size=3),
    ),
    max_size=8,
)


@given(
    steps=BATCHES,
    faults=st.lists(st.lists(st.sampled_from(FAULTS), max_size=12), min_size=3, max_size=3),
    late_by=st.integers(1, 12),
)
def test_whatever_goes_wrong_every_track_is_in_one_row_and_claims_are_true(steps, faults, late_by):
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(folder)
        lossy = [LossyStore(store, plan, late_by) for plan in faults]
        ledgers = [ledger(one, f"writer {number}") for number, one in enumerate(lossy)]
        for one in ledgers:
            one.load()
        claims, failed = {}, []

        def commit(who, results, rejects, attempt):
            rows = result_rows(*results, attempt=attempt) if results else NO_RESULTS
            refused = reject_rows(*rejects) if rejects else NO_REJECTS
            done = ledgers[who].commit(rows, refused)
            ours = set(results) - done.dropped_ids
            held = {one: name for one, name in rows_in(store).items() if name == attempt}
            assert set(held) <= ours
            assert len(held) == done.results
            claims.update(held)

        for number, (who, results, rejects) in enumerate(steps):
            names = [[f"t{one}" for one in ids] for ids in (results, rejects)]
            try:
                commit(who, *names, f"attempt {number}")
            except LedgerError:
                failed.append((who, *names, f"again {number}"))
        for one in lossy:
            one.faults.clear()
            one.arrive()
        for step in failed:
            commit(*step)
        counted = Counter(ids_in(read_results(store)))
        assert set(counted) == {f"t{one}" for _, results, _ in steps for one in results}
        assert set(counted.values()) <= {1}
        assert claims.items() <= rows_in(store).items()
        assert sorted(ledger(store).load().finished.column("track_id").to_pylist()) == sorted(
            counted
        )


def test_drivers_that_race_commit_every_track_once():
    ids = [f"{number}" for number in range(60)]
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(folder)
        barrier = threading.Barrier(4, timeout=60)

        def drive(number):
            mine, committed = ledger(store, f"{number}"), 0
            mine.load()
            barrier.wait()
            for start in range(0, 60, 10):
                batch = [ids[(start + number * 7 + step) % 60] for step in range(10)]
                committed += mine.commit(
                    result_rows(*batch, attempt=f"{number}"), NO_REJECTS
                ).results
            return committed

        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(drive, range(4))) == 60
        counted = Counter(ids_in(read_results(store)))
        assert sorted(counted) == sorted(ids)
        assert set(counted.values()) == {1}


def test_duckdb_and_pandas_read_the_parts_as_they_are(store):
    first = ledger(store)
    first.commit(result_rows("a", isrc="007"), NO_REJECTS)
    first.commit(result_rows("b", label="own"), NO_REJECTS)
    pattern = str(Path(store.root) / "results" / "*.parquet")
    query = f"select track_id, isrc, label from read_parquet('{pattern}', union_by_name=true)"
    assert sorted(duckdb.sql(query).fetchall()) == [("a", "007", None), ("b", None, "own")]
    frame = pd.concat(
        [pd.read_parquet(path) for path in sorted(Path(store.root).glob("results/*"))]
    )
    assert frame["track_id"].tolist() == ["a", "b"]
    assert str(frame["committed_at"].dtype.tz) == "UTC"


def test_the_query_of_the_docs_gives_the_latest_reject_of_each_open_track(store):
    first = ledger(store)
    first.commit(NO_RESULTS, reject_rows("a", "b", "b", stage=["1", "1", "2"]))
    first.commit(result_rows("a"), reject_rows("c", stage="1"))
    query = DOCS.read_text().partition("has no result:\n\n```sql\n")[2].partition("```")[0]
    rows = duckdb.sql(query.replace("OUT/", f"{store.root}/"))
    assert sorted(rows.select("track_id", "stage").fetchall()) == [("b", "2"), ("c", "1")]
