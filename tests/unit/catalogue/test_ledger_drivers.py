import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from faulty_store import FAULTS, FaultyStore
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_rows import NO_REJECTS, reject_rows, result_rows

from latentsep.catalogue.ledger import (
    FORGOTTEN,
    Ledger,
    read_results,
    read_withdrawn,
)
from latentsep.errors import AccessDeniedError, LedgerError
from latentsep.storage import RetryPolicy, open_store
from latentsep.storage.local import LocalStore

QUICK = RetryPolicy(attempts=6, first_pause_s=0.0001, longest_pause_s=0.001)
PART_1 = "results/part-00000001.parquet"
PART_2 = "results/part-00000002.parquet"


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "out"))


def ledger_of(store, writer="w"):
    return Ledger(store, writer, QUICK)


def rows_of(store, columns=("track_id", "attempt")):
    return [
        tuple(row.values()) for table in read_results(store, list(columns))
        for row in table.to_pylist()
    ]  # fmt: skip


def ids_of(store):
    return [track for track, _ in rows_of(store)]


def finished(store):
    return ledger_of(store).load().finished.column("track_id").to_pylist()


def test_a_commit_repeated_after_an_interruption_writes_nothing_twice(store):
    def interrupt(key):
        raise KeyboardInterrupt

    faulty = FaultyStore(store, after=interrupt)
    ledger = ledger_of(faulty)
    rows = result_rows(["a", "b"], "1")
    with pytest.raises(KeyboardInterrupt):
        ledger.commit(rows, NO_REJECTS)
    committed = ledger.with_store(store).commit(
        pa.concat_tables([rows, result_rows(["c"], "2")]), NO_REJECTS
    )
    assert (committed.results, committed.dropped_ids) == (1, {"a", "b"})
    assert committed.parts == (PART_2,)
    assert rows_of(store) == [("a", "1"), ("b", "1"), ("c", "2")]


def test_an_earlier_commit_of_ours_that_arrives_late_drops_a_later_attempt(store):
    held_back = []

    class Delaying(FaultyStore):
        def create(self, key, data):
            held_back.append((key, data))
            raise AccessDeniedError(f"{key}: a proxy said no and sent it on later")

    ledger = ledger_of(Delaying(store))
    with pytest.raises(LedgerError):
        ledger.commit(result_rows(["a"], "1"), NO_REJECTS)
    store.create(*held_back[0])
    committed = ledger.with_store(store).commit(result_rows(["a", "b"], "2"), NO_REJECTS)
    assert (committed.results, committed.dropped_ids) == (1, {"a"})
    assert rows_of(store) == [("a", "1"), ("b", "2")]


def test_a_shorter_patience_shares_what_is_known(store):
    ledger = ledger_of(store)
    ledger.commit(result_rows(["a"], "1"), NO_REJECTS)
    hurried = ledger.with_store(LocalStore(store.root))
    assert hurried.commit(result_rows(["a", "b"], "2"), NO_REJECTS).dropped_ids == {"a"}
    assert ledger.commit(result_rows(["b", "c"], "3"), NO_REJECTS).dropped_ids == {"b"}
    assert rows_of(store) == [("a", "1"), ("b", "2"), ("c", "3")]


def spoilt(data, how):
    if how == "empty":
        return b""
    if how == "text":
        return b"no parquet at all"
    if how == "short":
        return data[: len(data) // 2]
    middle = len(data) // 8
    return data[:middle] + bytes(255 - byte for byte in data[middle : middle + 64]) + data[
        middle + 64 :
    ]  # fmt: skip


def test_a_damaged_part_does_not_make_a_failed_reload_forget_what_was_known(store):
    ledger = ledger_of(store)
    ledger.commit(result_rows(["a"], "1"), NO_REJECTS)
    good = store.read(PART_1)
    store.write(PART_1, b"damaged")
    with pytest.raises(LedgerError):
        ledger.load()
    store.write(PART_1, good)
    assert ledger.commit(result_rows(["a"], "2"), NO_REJECTS).dropped_ids == {"a"}


class TestWithdraw:
    def test_a_track_may_be_done_again(self, store):
        ledger = ledger_of(store, "me")
        ledger.commit(result_rows(["a", "b"], "1", further={"genre": ["x", "y"]}), NO_REJECTS)
        before = next(read_results(store, None)).schema
        assert ledger.withdraw(["a", "never seen"], "source changed") == 1
        after = next(read_results(store, None)).schema
        assert after.equals(before, check_metadata=False)
        assert after.field("duration_s").metadata[b"unit"] == b"s"
        assert after.metadata[b"latentsep.writer"] == b"me"
        assert rows_of(store) == [("b", "1")]
        assert ledger.commit(result_rows(["a", "b"], "2"), NO_REJECTS).dropped_ids == {"b"}
        assert rows_of(store) == [("b", "1"), ("a", "2")]
        (record,) = read_withdrawn(store)
        (row,) = record.to_pylist()
        assert row.pop("withdrawn_at").year >= 2026
        assert row == {
            "track_id": "a", "reason": "source changed", "uri": "s3://in/a.flac",
            "run_id": "x", "attempt": "1",
            "vocals_stem_uri": "s3://out/a/1/vocals.flac", "accompaniment_stem_uri": "x",
        }  # fmt: skip

    def test_a_part_may_become_empty_and_stays(self, store):
        ledger = ledger_of(store)
        for track in "abc":
            ledger.commit(result_rows([track]), NO_REJECTS)
        assert ledger.withdraw(["b", "b"], "changed") == 1
        assert ids_of(store) == finished(store) == ["a", "c"]

    def test_forgotten_tracks_get_no_row_ever_again(self, store):
        ledger = ledger_of(store)
        ledger.commit(result_rows(["a", "b"]), reject_rows(["r"]))
        assert ledger.withdraw(["a", "r", "never done"], FORGOTTEN) == 1
        committed = ledger.commit(result_rows(["a", "c"]), reject_rows(["a", "r", "s"]))
        assert (committed.results, committed.rejects, committed.dropped_ids) == (1, 1, {"a", "r"})
        state = ledger_of(store).load()
        assert sorted(state.forgotten.to_pylist()) == ["a", "never done", "r"]
        assert state.finished.column("track_id").to_pylist() == ["b", "c"]
        assert state.rejected.column("track_id").to_pylist() == ["s"]
        assert ledger_of(store).withdraw(["a"], FORGOTTEN) == 0
        assert sum(table.num_rows for table in read_withdrawn(store)) == 3

    def test_a_running_job_learns_what_is_forgotten(self, store):
        job = ledger_of(store, "job")
        job.load()
        ledger_of(store, "forget").withdraw(["a"], FORGOTTEN)
        committed = job.commit(result_rows(["a", "b"]), reject_rows(["a"]))
        assert (committed.results, committed.rejects, committed.dropped_ids) == (1, 0, {"a"})

    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_what_is_forgotten_during_its_commit_is_taken_out(self, store, moment):
        def forget(key):
            if key.startswith("results/") and not any(store.list("withdrawn/")):
                ledger_of(store, "forget").withdraw(["a"], FORGOTTEN)

        job = ledger_of(FaultyStore(store, **{moment: forget}), "job")
        committed = job.commit(result_rows(["a", "b"], "1"), NO_REJECTS)
        assert (committed.results, committed.dropped_ids) == (1, {"a"})
        assert rows_of(store) == [("b", "1")]
        recorded = {row["attempt"] for table in read_withdrawn(store) for row in table.to_pylist()}
        assert "1" in recorded

    def test_the_record_comes_before_the_rows_go(self, store):
        ledger_of(store).commit(result_rows(["a", "b"]), NO_REJECTS)
        with pytest.raises(LedgerError):
            ledger_of(FaultyStore(store, ["fine", "refused"])).withdraw(["a"], FORGOTTEN)
        assert ids_of(store) == ["a", "b"]
        assert finished(store) == ["b"]
        assert ledger_of(store).load().forgotten.to_pylist() == ["a"]
        assert ledger_of(store, "again").withdraw(["a"], FORGOTTEN) == 1
        assert ids_of(store) == ["b"]

    def test_a_redo_that_was_killed_before_the_rows_went_loses_nothing(self, store):
        ledger_of(store).commit(result_rows(["a"]), NO_REJECTS)
        with pytest.raises(LedgerError):
            ledger_of(FaultyStore(store, ["fine", "refused"])).withdraw(["a"], "changed")
        assert finished(store) == ["a"]
        assert ledger_of(store).withdraw(["a"], "changed") == 1

    @pytest.mark.parametrize("fault", ["lost reply", "lost request", "conflict"])
    def test_a_rewrite_in_doubt_is_looked_at(self, store, fault):
        ledger = ledger_of(FaultyStore(store))
        ledger.commit(result_rows(["a", "b"]), NO_REJECTS)
        ledger._store.faults = [fault, fault]
        assert ledger.withdraw(["a"], "changed") == 1
        assert ids_of(store) == ["b"]

    def test_a_rewrite_that_never_works_says_so(self, store):
        ledger_of(store).commit(result_rows(["a"]), NO_REJECTS)
        with pytest.raises(
            LedgerError, match="on record but still in this part; ask for the same again"
        ):
            ledger_of(FaultyStore(store, ["fine", *["conflict"] * 50])).withdraw(["a"], "changed")

    def test_two_that_rewrite_one_part_lose_no_rewrite(self, store):
        ledger_of(store).commit(result_rows("abcdef"), NO_REJECTS)
        done = []

        def withdraw_another(key):
            if key == PART_1 and not done:
                done.append(key)
                ledger_of(store, "other").withdraw(["b", "c"], "changed")

        ledger = ledger_of(FaultyStore(store, before=withdraw_another))
        assert ledger.withdraw(["a"], "changed") == 1
        assert ids_of(store) == ["d", "e", "f"]


IDS = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=5)
COMMIT = st.tuples(
    st.just("commit"), st.integers(0, 2), IDS, st.lists(st.sampled_from(FAULTS), max_size=4)
)
WITHDRAW = st.tuples(
    st.sampled_from(["changed", FORGOTTEN]), st.integers(0, 2), IDS,
    st.lists(st.sampled_from(FAULTS), max_size=3),
)  # fmt: skip


@given(
    steps=st.lists(COMMIT, max_size=12),
    loaded=st.lists(st.booleans(), min_size=3, max_size=3),
)
@settings(max_examples=60)
def test_every_id_is_in_one_row_and_who_was_told_so_is_right(steps, loaded):
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(Path(folder))
        faulty = [FaultyStore(store) for _ in range(3)]
        ledgers = [ledger_of(one, f"w{number}") for number, one in enumerate(faulty)]
        for ledger, is_loaded in zip(ledgers, loaded, strict=True):
            if is_loaded:
                ledger.load()
        told = {}
        for number, (_, writer, ids, faults) in enumerate(steps):
            faulty[writer].faults = list(faults)
            attempt = f"{number}"
            try:
                committed = ledgers[writer].commit(result_rows(ids, attempt), NO_REJECTS)
            except LedgerError:
                continue
            ours = set(ids) - committed.dropped_ids
            assert len(ours) == committed.results
            told.update(dict.fromkeys(ours, attempt))
            assert dict(rows_of(store)).keys() >= set(ids)
        faulty[0].faults = []
        ledgers[0].commit(result_rows("abcdefgh", "last"), reject_rows("abcdefgh", "last"))
        rows = rows_of(store)
        assert sorted(track for track, _ in rows) == list("abcdefgh")
        assert told.items() <= dict(rows).items()
        assert ledger_of(store).load().rejected.num_rows == 0


@given(steps=st.lists(st.one_of(COMMIT, WITHDRAW), max_size=12))
@settings(max_examples=60)
def test_withdrawals_between_commits_keep_every_promise(steps):
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(Path(folder))
        faulty = [FaultyStore(store) for _ in range(3)]
        ledgers = [ledger_of(one, f"w{number}") for number, one in enumerate(faulty)]
        told, forgotten = {}, set()
        for number, (what, who, ids, faults) in enumerate(steps):
            faulty[who].faults = list(faults)
            try:
                if what == "commit":
                    committed = ledgers[who].commit(result_rows(ids, f"{number}"), NO_REJECTS)
                    told.update(dict.fromkeys(set(ids) - committed.dropped_ids, f"{number}"))
                    assert committed.dropped_ids >= forgotten & set(ids)
                else:
                    ledgers[who].withdraw(ids, what)
            except LedgerError:
                pass
            else:
                forgotten |= set(ids) if what == FORGOTTEN else set()
            if what != "commit":
                told = {track: attempt for track, attempt in told.items() if track not in ids}
        rows = rows_of(store)
        assert len(dict(rows)) == len(rows)
        assert told.items() <= dict(rows).items()
        assert not forgotten & set(finished(store))
        faulty[0].faults = []
        ledgers[0].withdraw(forgotten, FORGOTTEN)
        assert not forgotten & set(ids_of(store))


def test_racing_threads_commit_every_track_once(store):
    tracks = [str(number) for number in range(40)]
    barrier = threading.Barrier(6, timeout=60)

    def work(writer):
        ledger = ledger_of(store, f"w{writer}")
        barrier.wait()
        told = {}
        for turn in range(5):
            ids = tracks[(7 * writer + 5 * turn) % 40 :][:12] or tracks[:12]
            attempt = f"{writer}-{turn}"
            committed = ledger.commit(result_rows(ids, attempt), reject_rows(ids, attempt))
            told.update(dict.fromkeys(set(ids) - committed.dropped_ids, attempt))
        return told

    with ThreadPoolExecutor(6) as pool:
        everything = list(pool.map(work, range(6)))
    rows = rows_of(store)
    assert len(dict(rows)) == len(rows)
    assert sum(map(len, everything)) == len(rows)
    for told in everything:
        assert told.items() <= dict(rows).items()


def test_threads_that_forget_and_commit_leave_no_forgotten_row(store):
    tracks = [str(number) for number in range(30)]

    def work(writer):
        ledger = ledger_of(store, f"w{writer}")
        for turn in range(6):
            if writer == 0:
                ledger.withdraw(tracks[turn::6][:3], FORGOTTEN)
            else:
                ledger.commit(result_rows(tracks[turn::6], f"{writer}-{turn}"), NO_REJECTS)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    forgotten = set(ledger_of(store).load().forgotten.to_pylist())
    assert len(forgotten) == 18
    assert set(ids_of(store)) == set(tracks) - forgotten
    assert len(ids_of(store)) == len(set(ids_of(store)))


def test_an_interruption_after_a_part_was_made_does_not_lead_to_a_second_row(store, monkeypatch):
    ledger = ledger_of(store)
    ledger.load()

    def interrupt(ids):
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(ledger, "_add_finished", interrupt)
    with pytest.raises(KeyboardInterrupt):
        ledger.commit(result_rows(["a"], "1"), NO_REJECTS)
    assert ledger.commit(result_rows(["a"], "2"), NO_REJECTS).dropped_ids == {"a"}
    assert rows_of(store) == [("a", "1")]
