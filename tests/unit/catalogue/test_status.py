import os
from datetime import UTC, datetime, timedelta

import pytest
from tiny_outputs import TinyOutput, ended_holder, reject_row, result_row

from latentsep.catalogue import status as status_module
from latentsep.catalogue.lease import Holder, Lease
from latentsep.catalogue.ledger import FORGOTTEN
from latentsep.catalogue.status import read_output_status
from latentsep.errors import AccessDeniedError
from latentsep.storage import open_store
from latentsep.storage.local import LocalStore

HOUR = timedelta(hours=1)


@pytest.fixture
def output(tmp_path):
    return TinyOutput(open_store(str(tmp_path / "out")))


def row_of(track_id, **changes):
    return result_row(track_id, vocals_stem_bytes=1000, accompaniment_stem_bytes=2000, **changes)


def state_of(output):
    return read_output_status(output.store).job.state


class TestCounts:
    def test_what_the_ledger_holds_is_counted(self, output):
        output.commit(
            results=[row_of("a", duration_s=10.0), row_of("b", duration_s=20.5)],
            rejects=[reject_row("c"), reject_row("d", retryable=True, error_class="StoreError")],
        )
        output.commit(results=[row_of("c", duration_s=1.0)], rejects=[reject_row("e")])
        output.ledger.withdraw(["e", "f"], FORGOTTEN)
        output.commit(rejects=[reject_row("g"), reject_row("d", stage="store", retryable=True)])
        seen = read_output_status(output.store)
        assert (seen.finished.tracks, seen.finished.audio_s) == (3, 31.5)
        assert seen.finished.stem_bytes == 9000
        assert [(g.stage, g.error_class, g.retryable, g.tracks) for g in seen.rejects] == [
            ("load", "AudioDecodeError", False, 1),
            ("store", "AudioDecodeError", True, 1),
        ]
        assert (seen.rejected, seen.retryable, seen.forgotten) == (2, 1, 2)
        assert seen.identity["model"] == "tiny"
        assert len(seen.run_id) == 16

    def test_an_output_that_was_only_begun_has_nothing(self, output):
        seen = read_output_status(output.store)
        assert (seen.job.state, seen.job.file, seen.rate) == ("not started", None, None)
        assert (seen.finished.tracks, seen.finished.audio_s, seen.rejected) == (0, 0.0, 0)

    def test_results_whose_run_file_is_gone_are_counted(self, output):
        output.commit(results=[row_of("a")])
        output.store.delete(["run.json"])
        seen = read_output_status(output.store)
        assert (seen.run_id, seen.identity, seen.finished.tracks) == (None, {}, 1)


class TestState:
    @pytest.mark.parametrize("ended", ["done", "interrupted", "stopped", "failed"])
    def test_a_job_that_ended_said_how(self, output, ended):
        with Lease.acquire(output.store, Holder.of_this_process()):
            output.tell(ended)
        assert state_of(output) == ended

    def test_a_job_that_holds_the_lease_runs(self, output):
        holder = Holder.of_this_process()
        with Lease.acquire(output.store, holder):
            output.tell("running", job=holder.job)
            seen = read_output_status(output.store)
        assert seen.job.state == "running"
        assert f"{holder.host}, pid {holder.pid}" in seen.job.holder

    def test_another_command_that_holds_the_lease_is_told(self, output):
        output.tell("done", job="earlier")
        with Lease.acquire(output.store, Holder.of_this_process()):
            assert state_of(output) == "held"

    def test_a_job_that_has_not_said_anything_yet_holds_it(self, output):
        with Lease.acquire(output.store, Holder.of_this_process()):
            assert state_of(output) == "held"

    def test_a_killed_job_of_this_machine_is_stale_at_once(self, output):
        holder = ended_holder()
        lease = Lease.acquire(output.store, holder)
        try:
            output.tell("running", job=holder.job)
            assert state_of(output) == "stale"
        finally:
            lease.release()

    def test_a_job_whose_lease_was_not_renewed_is_stale(self, output):
        holder = Holder.of_this_process()
        with Lease.acquire(output.store, holder):
            held = output.store.read("lease.json")
        output.tell("running", job=holder.job)
        output.store.write("lease.json", held)
        os.utime(output.store.root / "lease.json", (1, 1))
        assert state_of(output) == "stale"

    def test_a_job_that_never_said_its_last_word_is_stale(self, output):
        with Lease.acquire(output.store, Holder.of_this_process()):
            output.tell("running", job="earlier")
        assert state_of(output) == "stale"

    def test_a_job_without_a_lease_runs_until_it_is_silent_for_long(self, output):
        output.tell("running")
        assert state_of(output) == "running"
        output.tell("running", updated_at=(datetime.now(UTC) - HOUR).isoformat())
        assert state_of(output) == "stale"

    @pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"state": 7}', b'{"tracks": "x"}'])
    def test_a_damaged_status_file_is_passed_over(self, output, data):
        output.commit(results=[row_of("a")])
        output.store.write("status.json", data)
        seen = read_output_status(output.store)
        assert (seen.job.state, seen.job.file, seen.finished.tracks) == ("not started", None, 1)

    def test_an_output_that_can_only_be_read_is_told(self, output, monkeypatch):
        def refuse(self):
            raise AccessDeniedError("read-only")

        output.tell("done")
        monkeypatch.setattr(LocalStore, "now", refuse)
        assert state_of(output) == "done"


class TestRate:
    def test_a_running_job_has_the_rate_of_the_last_hour(self, output):
        output.commit(results=[row_of(f"a{n}", duration_s=100.0) for n in range(4)])
        output.tell("running", ago=HOUR / 2, audio_s=1400.0)
        rate = read_output_status(output.store).rate
        assert (rate.tracks, rate.audio_s) == (4, 400.0)
        assert rate.window_s == pytest.approx(1800, abs=5)
        assert rate.realtime_factor == pytest.approx(400 / 1800, rel=0.01)
        assert rate.eta_s == pytest.approx(1000 * 1800 / 400, rel=0.01)

    def test_a_job_of_days_counts_one_hour(self, output):
        output.commit(results=[row_of("a")])
        output.tell("running", ago=50 * HOUR)
        assert read_output_status(output.store).rate.window_s == pytest.approx(3600)

    def test_results_of_earlier_jobs_do_not_count(self, output, monkeypatch):
        output.commit(results=[row_of("early")])
        monkeypatch.setattr(status_module, "SHORTEST_WINDOW_S", -10.0)
        output.tell("running", ago=timedelta(seconds=-1))
        assert read_output_status(output.store).rate is None

    def test_without_durations_the_tracks_tell_how_long(self, output):
        output.commit(results=[row_of("a"), row_of("b"), row_of("c")], rejects=[reject_row("d")])
        output.tell("running", ago=HOUR / 2, tracks=8)
        rate = read_output_status(output.store).rate
        assert rate.eta_s == pytest.approx(1800, rel=0.01)

    def test_rejected_audio_is_not_waited_for(self, output):
        output.commit(
            results=[row_of("a", duration_s=100.0)], rejects=[reject_row("b", duration_s=50.0)]
        )
        output.tell("running", ago=HOUR / 2, audio_s=150.0)
        assert read_output_status(output.store).rate.eta_s == 0.0

    @pytest.mark.parametrize("ended", ["done", "interrupted"])
    def test_a_job_that_ended_has_none(self, output, ended):
        output.commit(results=[row_of("a")])
        output.tell(ended, ago=HOUR)
        assert read_output_status(output.store).rate is None

    def test_a_job_that_just_began_has_none(self, output):
        output.commit(results=[row_of("a")])
        output.tell("running")
        assert read_output_status(output.store).rate is None
