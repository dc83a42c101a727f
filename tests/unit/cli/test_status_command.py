import json
from datetime import timedelta

import pytest
from tiny_outputs import TinyOutput, reject_row, result_row

from latentsep.catalogue.lease import Holder, Lease
from latentsep.catalogue.ledger import FORGOTTEN
from latentsep.storage import open_store


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def output(out):
    output = TinyOutput(open_store(str(out)))
    output.commit(
        results=[
            result_row("a", duration_s=5400.0, vocals_stem_bytes=1_500_000),
            result_row("b", duration_s=1800.0, accompaniment_stem_bytes=998),
        ],
        rejects=[reject_row("c"), reject_row("d", error_class="StoreError", retryable=True)],
    )
    output.ledger.withdraw(["e"], FORGOTTEN)
    return output


def test_a_finished_output_is_told(run, out, output):
    output.tell("done", tracks=5, audio_s=9000.0)
    run_id = json.loads(output.store.read("run.json"))["run_id"]
    assert run("status", out) == (
        0,
        f"{out}: done\n"
        f"run:       {run_id}, model tiny\n"
        "manifest:  s3://bucket/manifest.parquet: 5 tracks, 2.50 h of audio\n"
        "finished:  2 tracks (40.0% of 5), 2.00 h of audio, 1.5 MB of stems\n"
        "rejected:  2 tracks, 1 of them tried again by the next run\n"
        "  1 AudioDecodeError in load, permanent\n"
        "  1 StoreError in load, retryable\n"
        "forgotten: 1 tracks\n",
        "",
    )


def test_a_running_job_has_a_rate_and_a_time_to_go(run, out, output):
    holder = Holder.of_this_process()
    with Lease.acquire(output.store, holder):
        output.tell("running", job=holder.job, ago=timedelta(minutes=30), audio_s=14_400.0)
        code, told, _ = run("status", out)
    assert code == 0
    assert f"{out}: running on {holder.host}, pid {holder.pid}" in told
    assert "rate:      4.0x real time over the last 30 min" in told
    assert "to go:     " in told


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"state": "interrupted", "reason": "SIGTERM\x1b[2J"}, r"interrupted: SIGTERM\x1b[2J"),
        ({"state": "running", "updated_at": "2020-01-01T00:00:00Z"}, "stale: the job ended"),
        ({"state": "running"}, "running, without a lease"),
    ],
)
def test_how_the_last_job_ended_is_told(run, out, output, told, expected):
    output.tell(**told)
    assert expected in run("status", out)[1]


def test_another_command_on_the_output_is_told(run, out, output):
    with Lease.acquire(output.store, Holder.of_this_process()):
        assert "held by another command on " in run("status", out)[1]


def test_everything_is_in_the_json_document(run, out, output):
    output.tell("stopped", reason="--max-hours", tracks=5)
    code, told, errors = run("status", out, "--output", "json")
    document = json.loads(told)
    assert (code, errors) == (0, "")
    assert document["state"] == "stopped"
    assert document["reason"] == "--max-hours"
    assert (document["tracks"], document["finished"], document["rejected"]) == (5, 2, 2)
    assert (document["retryable"], document["forgotten"]) == (1, 1)
    assert document["audio_done_s"] == 7200.0
    assert document["model_sha256"] == "ab" * 32
    assert document["rejects"][0] == {
        "stage": "load", "error_class": "AudioDecodeError", "retryable": False, "tracks": 1,
    }  # fmt: skip
    assert document["rate"] is None
    assert "changed_sources" not in document


def test_an_output_that_was_only_begun_is_told(run, tmp_path):
    TinyOutput(open_store(str(tmp_path)))
    code, told, _ = run("status", tmp_path)
    assert code == 0
    assert "not started" in told
    assert "finished:  0 tracks, 0.00 h of audio, 0 bytes of stems" in told


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_place_without_a_job_ends_with_exit_code_2(run, tmp_path, name):
    (tmp_path / "empty").mkdir()
    code, told, errors = run("status", tmp_path / name)
    assert (code, told) == (2, "")
    assert f"{tmp_path / name} holds no output of a job" in errors


class TestSources:
    @pytest.fixture
    def sources(self, tmp_path, output):
        store = open_store(str(tmp_path / "music"))
        rows = []
        for name in ("same", "other", "gone"):
            etag = store.write(f"{name}.wav", b"song")
            rows.append(result_row(name, uri=store.uri_of(f"{name}.wav"), source_etag=etag))
        output.commit(results=rows)
        output.commit(results=[result_row("far", uri=store.uri_of("far.wav"))])
        store.write("other.wav", b"another song")
        store.delete(["gone.wav"])
        output.ledger.withdraw(["a", "b"], FORGOTTEN)
        return store

    def test_changed_and_missing_sources_are_listed(self, run, out, sources):
        code, told, errors = run("status", out, "--check-sources")
        assert (code, errors) == (0, "")
        assert told.splitlines()[-4:] == [
            f"touched or changed: other {sources.uri_of('other.wav')}",
            f"missing: gone {sources.uri_of('gone.wav')}",
            f"missing: far {sources.uri_of('far.wav')}",
            "sources:   1 touched or changed, which --recheck-sources does again; 2 missing",
        ]

    def test_they_are_in_the_json_document(self, run, out, sources):
        document = json.loads(run("status", out, "--check-sources", "--output", "json")[1])
        assert document["changed_sources"][0] == {
            "track_id": "other", "uri": sources.uri_of("other.wav"), "is_missing": False,
        }  # fmt: skip
        assert len(document["changed_sources"]) == 3
