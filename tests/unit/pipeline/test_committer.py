import pytest
from outcome_rows import manifest, outcomes

from latentsep.catalogue.ledger import Ledger
from latentsep.catalogue.plan import plan_job
from latentsep.errors import LedgerError
from latentsep.pipeline.committer import Committer
from latentsep.pipeline.job_config import LedgerConfig
from latentsep.pipeline.job_status import JobProgress
from latentsep.storage.local import LocalStore


@pytest.fixture
def job(tmp_path):
    """``make(ids, **settings)``: a committer over an empty ledger, and its progress."""

    def make(track_ids, **settings):
        store = LocalStore(tmp_path)
        ledger = Ledger(store, "writer")
        plan = plan_job(manifest(track_ids), ledger.load())
        progress = JobProgress("file:///m.csv", "run", "writer", plan)
        return Committer(ledger, LedgerConfig(**settings), progress), progress, store

    return make


def test_a_track_that_comes_twice_counts_once(job):
    committer, progress, store = job(["a", "b", "c"])
    committer.add(outcomes(["a", "b"], ["b"]))
    committer.add(outcomes(["b", "a", "c"]))
    assert (progress.finished, progress.rejected) == (2, 1)
    committed = committer.commit()
    assert (committed.results, committed.rejects) == (2, 1)
    state = Ledger(store, "reader").load()
    assert sorted(state.finished.column("track_id").to_pylist()) == ["a", "c"]
    assert state.rejected.column("track_id").to_pylist() == ["b"]


def test_it_is_due_by_rows_or_by_time(job):
    committer, _, _ = job(["a", "b"], commit_rows=2, commit_every_s=1000)
    assert not committer.is_due
    committer.add(outcomes(["a"]))
    assert not committer.is_due
    committer.add(outcomes(["b"]))
    assert committer.is_due
    committer.commit()
    assert not committer.is_due
    assert committer.commit() is None

    hasty, _, _ = job(["c"], commit_every_s=1e-9)
    hasty.add(outcomes(["c"]))
    assert hasty.is_due


def test_what_never_came_is_missing(job):
    committer, _, _ = job(["a", "b", "c"])
    committer.add(outcomes(["b"]))
    todo = manifest(["a", "b", "c"])
    assert committer.missing(todo).column("track_id").to_pylist() == ["a", "c"]


def test_blocks_with_other_further_columns_share_a_part(job):
    committer, _, store = job(["a", "b"])
    committer.add(outcomes(["a"], mood=["sad"]))
    committer.add(outcomes(["b"]))
    assert committer.commit().results == 2
    assert Ledger(store, "reader").load().finished.num_rows == 2


def test_only_what_is_committed_is_told(job):
    committer, progress, store = job(["a", "b", "c"])
    committer.add(outcomes(["a", "b"], ["b"]))
    assert progress.document("running", None)["finished"] == 0
    committer.commit()
    assert progress.document("running", None)["finished"] == 1
    (store.root / "results").rename(store.root / "elsewhere")
    (store.root / "results").touch()
    committer.add(outcomes(["c"]))
    with pytest.raises(LedgerError, match=r"at least 1 results and 1 rejects of this job are comm"):
        committer.commit()
    document = progress.document("failed", None)
    assert (document["finished"], document["rejected"], document["audio_done_s"]) == (1, 1, 60.0)
