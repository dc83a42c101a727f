import json
import os
import signal
import time

import pytest
from catalogue import reject_rows, result_rows, write_manifest
from fake_engine import FakeEngine

from latentsep.errors import ClusterError, ConfigError, LeaseHeldError, LedgerError
from latentsep.pipeline.job import JobRequest, run_job
from latentsep.pipeline.job_config import JobConfig
from latentsep.pipeline.stop import StopRequest


@pytest.fixture
def job(tmp_path):
    """``job(ids, engine, ...)``: runs the job on these ids; the report."""

    def run(ids, engine, *, on_progress=lambda progress: None, stop=None, config=None, **asked):
        uris = {track_id: f"/music/{track_id}.wav" for track_id in ids}
        manifest = write_manifest(tmp_path / "manifest.csv", uris)
        settings = JobConfig.model_validate(config or {})
        request = JobRequest(str(manifest), str(tmp_path / "out"), settings, **asked)
        return run_job(request, stop or StopRequest(), on_progress, engine)

    return run


def status(tmp_path):
    return json.loads((tmp_path / "out" / "status.json").read_text())


def test_every_id_ends_in_results_or_rejects_and_a_rerun_asks_for_nothing(tmp_path, job):
    ids = ["a", "b", "bad-1", "c"]
    report = job(ids, FakeEngine())
    assert (report.state, report.reason) == ("done", None)
    assert sorted(result_rows(tmp_path / "out")) == ["a", "b", "c"]
    assert sorted(reject_rows(tmp_path / "out")) == ["bad-1"]
    assert (status(tmp_path)["finished"], status(tmp_path)["rejected"]) == (3, 1)
    speed = status(tmp_path)["worker_realtime_factor"]
    assert speed > 0
    engine = FakeEngine()
    assert job(ids, engine).state == "done"
    assert engine.rounds == []
    assert status(tmp_path)["worker_realtime_factor"] == speed
    assert (status(tmp_path)["state"], status(tmp_path)["finished_before"]) == ("done", 3)


class Forgetful(FakeEngine):
    """Loses the rows of ``b`` in the first rounds, and doubles those of ``a``."""

    def __init__(self, losing_rounds):
        super().__init__()
        self.losing_rounds = losing_rounds

    def blocks(self, block):
        for table in super().blocks(block):
            ids = block.column("track_id").to_pylist()
            if "b" in ids and len(self.rounds) <= self.losing_rounds:
                continue
            yield table
            yield table


def test_rows_that_do_not_come_are_asked_for_again_and_doubled_ones_count_once(tmp_path, job):
    engine = Forgetful(losing_rounds=2)
    assert job(["a", "x", "b", "y"], engine).state == "done"
    assert [sorted(ids) for ids in engine.rounds] == [["a", "b", "x", "y"], ["b", "y"], ["b", "y"]]
    assert sorted(result_rows(tmp_path / "out")) == ["a", "b", "x", "y"]


def test_rows_that_never_come_are_rejects_that_the_next_run_tries(tmp_path, job):
    engine = Forgetful(losing_rounds=99)
    assert job(["a", "x", "b", "y"], engine).state == "done"
    assert len(engine.rounds) == 3
    rejects = reject_rows(tmp_path / "out", "error_class", "retryable")
    assert {row["error_class"] for row in rejects.values()} == {"WorkerLostError"}
    assert sorted(rejects) == ["b", "y"]
    assert job(["a", "x", "b", "y"], FakeEngine()).progress.finished == 2
    assert sorted(result_rows(tmp_path / "out")) == ["a", "b", "x", "y"]


class Breaking(FakeEngine):
    """Breaks down after its first block."""

    def blocks(self, block):
        yield from super().blocks(block)
        raise ClusterError("the cluster gave up")


def test_what_came_before_the_cluster_gave_up_is_committed(tmp_path, job):
    with pytest.raises(ClusterError):
        job(["a", "b", "c", "d"], Breaking())
    assert sorted(result_rows(tmp_path / "out")) == ["a", "b"]
    assert status(tmp_path)["state"] == "failed"
    assert job(["a", "b", "c", "d"], FakeEngine()).state == "done"
    assert len(result_rows(tmp_path / "out")) == 4


class Slow(FakeEngine):
    """Takes its time after each block."""

    def blocks(self, block):
        yield from super().blocks(block)
        time.sleep(0.2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_commits_what_came_and_says_interrupted(tmp_path, job, number):
    def strike(progress):
        if progress.tried:
            os.kill(os.getpid(), number)

    ids = [f"t{index:02d}" for index in range(40)]
    report = job(ids, Slow(), on_progress=strike)
    assert report.state == status(tmp_path)["state"] == "interrupted"
    assert number.name in report.reason
    done = len(result_rows(tmp_path / "out"))
    assert 0 < done < 40
    assert job(ids, FakeEngine()).progress.finished == 40 - done


class Struck(FakeEngine):
    """Ray's own handler of SIGTERM ends the process with SystemExit."""

    def opened(self, is_leaving):
        raise SystemExit(15)


def test_a_sigterm_that_ray_caught_is_an_interruption_too(job):
    report = job(["a"], Struck())
    assert (report.state, report.reason) == ("interrupted", "got SIGTERM")


def test_a_limit_stops_the_job_committed(tmp_path, job):
    ids = [f"bad-{index:03d}" for index in range(150)]
    report = job(ids, Slow(), config={"limits": {"max_reject_share": 0.1}})
    assert report.state == "stopped"
    assert "allows 10%" in report.reason
    assert 100 <= len(reject_rows(tmp_path / "out")) < 150


def test_only_so_many_tracks_are_done_if_so_many_are_asked_for(job):
    engine = FakeEngine()
    job(["a", "b", "c"], engine, limit=2)
    assert [len(ids) for ids in engine.rounds] == [2]


def test_a_lease_taken_in_the_middle_ends_the_job(tmp_path, job):
    def take(progress):
        if progress.tried:
            (tmp_path / "out" / "lease.json").write_text('{"state": "other"}')

    with pytest.raises(LeaseHeldError, match="lost in the middle"):
        job(
            [f"t{index}" for index in range(200)],
            Slow(),
            on_progress=take,
            config={"ledger": {"lease_s": 0.6}},
        )
    assert result_rows(tmp_path / "out")


def test_a_job_that_finds_its_lease_taken_when_it_gives_it_back_is_no_success(tmp_path, job):
    ids = ["a", "b", "c"]

    def take(progress):
        if progress.tried == len(ids):
            (tmp_path / "out" / "lease.json").write_text('{"state": "other"}')

    # It is not renewed before the end.
    with pytest.raises(LeaseHeldError, match=r"every track .* committed, .* lost before its end"):
        job(ids, FakeEngine(), on_progress=take, config={"ledger": {"lease_s": 3600}})
    assert sorted(result_rows(tmp_path / "out")) == ids
    (tmp_path / "out" / "lease.json").unlink()
    assert job(ids, FakeEngine()).state == "done"


def test_another_identity_is_refused_with_the_difference(job):
    job(["a"], FakeEngine())
    with pytest.raises(ConfigError, match="seed"):
        job(["a"], FakeEngine(), config={"separation": {"seed": 5}})


def test_a_commit_that_is_impossible_ends_the_job_and_claims_nothing(tmp_path, job):
    def close(progress):
        results = tmp_path / "out" / "results"
        if not results.exists():
            results.write_text("a file where a folder has to be")

    with pytest.raises(LedgerError):
        job(["a", "b", "c"], Slow(), on_progress=close)
    assert status(tmp_path)["finished"] == 0


def test_progress_is_told_while_the_job_runs(job):
    seen = []
    job(
        [f"t{index}" for index in range(8)],
        Slow(),
        on_progress=lambda progress: seen.append((progress.tried, progress.eta_s)),
    )
    assert seen == sorted(seen, key=lambda entry: entry[0])
    assert seen[-1][0] == 8
    assert any(eta_s for _, eta_s in seen if eta_s)


def test_an_output_that_cannot_be_written_is_a_wrong_setting(tmp_path, job):
    (tmp_path / "out").write_text("a file")
    engine = FakeEngine()
    with pytest.raises(ConfigError, match=r"output file:.*/out cannot be used"):
        job(["a"], engine)
    assert engine.rounds == []
