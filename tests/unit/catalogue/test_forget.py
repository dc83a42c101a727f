import pytest
from tiny_outputs import TinyOutput, ended_holder, reject_row

from latentsep.catalogue import forget as forget_module
from latentsep.catalogue.forget import ForgottenTrack, forget
from latentsep.catalogue.lease import Holder, Lease
from latentsep.catalogue.ledger import Ledger, read_rejects, read_results, read_withdrawn
from latentsep.catalogue.track_ids import fan_out
from latentsep.errors import ConfigError, LeaseHeldError, LedgerError, StoreError
from latentsep.storage import open_store


@pytest.fixture
def output(tmp_path):
    output = TinyOutput(open_store(str(tmp_path / "out")))
    output.finish("a", "b", "c")
    output.stems("a", attempt="interrupted")
    output.commit(rejects=[reject_row("d"), reject_row("e")])
    output.commit(rejects=[reject_row("d")])
    return output


def take_down(output, *track_ids):
    return forget(output.store, track_ids, Holder.of_this_process())


def ids_in(parts):
    return [track_id for part in parts for track_id in part.column("track_id").to_pylist()]


def bytes_of(output, track_id):
    return sum(info.bytes for info in output.store.list(f"stems/{fan_out(track_id)}/{track_id}/"))


def test_rows_and_the_stems_of_all_attempts_are_removed(output):
    size = bytes_of(output, "a")
    kept = [key for key in output.listed() if "/a/" not in key]
    a, d = take_down(output, "a", "d")
    assert a == ForgottenTrack("a", 1, 0, 4, size, was_forgotten=False)
    assert (d.results, d.rejects, d.objects, d.is_unknown) == (0, 2, 0, False)
    assert ids_in(read_results(output.store, ["track_id"])) == ["b", "c"]
    assert ids_in(read_rejects(output.store, ["track_id"])) == ["e"]
    assert output.listed() == kept


def test_a_record_says_what_was_removed_and_later_runs_leave_it_out(output):
    take_down(output, "a", "never seen")
    rows = [row for part in read_withdrawn(output.store, None) for row in part.to_pylist()]
    by_id = {row["track_id"]: row for row in rows}
    assert set(by_id) == {"a", "never seen"}
    assert by_id["a"]["vocals_stem_uri"].endswith("/a/1/vocals.flac")
    state = Ledger(output.store, "next").load()
    assert sorted(state.forgotten.to_pylist()) == ["a", "never seen"]
    assert sorted(state.finished.column("track_id").to_pylist()) == ["b", "c"]


def test_an_unknown_id_is_told_once(output):
    (first,) = take_down(output, "never seen")
    (again,) = take_down(output, "never seen")
    assert (first.is_unknown, again.is_unknown, again.was_forgotten) == (True, False, True)


def test_repeated_ids_count_once_and_the_order_stays(output):
    assert [track.track_id for track in take_down(output, "c", "a", "c")] == ["c", "a"]


def test_nothing_of_a_local_track_is_left_on_the_disk(output, tmp_path):
    """Not even the temporary file of a killed writer, which no listing shows."""
    folder = tmp_path / "out/stems" / fan_out("a") / "a"
    (folder / "interrupted/.latentsep-123.tmp").write_bytes(b"half a song")
    take_down(output, "a")
    assert not folder.exists()


def test_an_id_that_begins_like_another_takes_only_its_own(tmp_path):
    output = TinyOutput(open_store(str(tmp_path / "out")))
    output.finish("song", "song 2", "song-2")
    take_down(output, "song")
    assert len(output.listed()) == 4
    assert ids_in(read_results(output.store, ["track_id"])) == ["song 2", "song-2"]


class DyingStore:
    """A store that works for so many changes, and then never again."""

    def __init__(self, store, changes):
        self._store = store
        self._changes = changes

    def __getattr__(self, name):
        if name in ("write", "create", "replace_if", "delete", "upload"):
            self._changes -= 1
            if self._changes < 0:
                raise StoreError("the machine is gone")
        return getattr(self._store, name)


def contents(output):
    """What a user sees: rows, stems, and the ids of the record."""
    state = Ledger(output.store, "next").load()
    return (
        sorted(state.finished.column("track_id").to_pylist()),
        ids_in(read_rejects(output.store, ["track_id"])),
        output.listed(),
        sorted(state.forgotten.to_pylist()),
    )


def test_a_call_that_died_anywhere_is_completed_by_the_same_call(tmp_path):
    gone = ended_holder()
    deaths = 0
    for changes in range(12):
        output = TinyOutput(open_store(str(tmp_path / f"out{changes}")))
        output.finish("a", "b")
        output.finish("c")
        output.commit(rejects=[reject_row("d"), reject_row("e")])
        kept = [key for key in output.listed() if "/b/" in key]
        try:
            forget(DyingStore(output.store, changes), ["a", "c", "d"], gone)
        except (StoreError, LedgerError):
            deaths += 1
        take_down(output, "a", "c", "d")
        assert contents(output) == (["b"], ["e"], kept, ["a", "c", "d"])
    assert deaths >= 5


@pytest.mark.parametrize("bad", ["", "../b", "x/y", ".hidden", " a", "line\nbreak"])
def test_what_cannot_be_an_id_is_refused_before_anything_is_done(output, bad):
    before = output.listed("")
    with pytest.raises(ConfigError, match="nothing was removed"):
        take_down(output, "a", bad)
    assert output.listed("") == before


def test_no_ids_are_refused(output):
    with pytest.raises(ConfigError, match="no ids"):
        take_down(output)


def test_many_bad_ids_are_not_all_listed(output):
    with pytest.raises(ConfigError, match="and 80 more"):
        take_down(output, *(f"x/{number}" for number in range(100)))


def test_nothing_is_done_while_a_job_works(output):
    before = output.listed("stems/"), ids_in(read_results(output.store, ["track_id"]))
    job = Holder.of_this_process()
    with Lease.acquire(output.store, job, ttl_s=1.0), pytest.raises(LeaseHeldError):
        take_down(output, "a")
    assert before == (output.listed("stems/"), ids_in(read_results(output.store, ["track_id"])))


def test_a_folder_that_cannot_be_removed_is_an_error(output, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(forget_module.shutil, "rmtree", refuse)
    with pytest.raises(StoreError, match="Permission denied; remove it"):
        take_down(output, "a")
