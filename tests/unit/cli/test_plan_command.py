import json

import pytest
from ledger_rows import NO_REJECTS, NO_RESULTS, reject_rows, result_rows

from latentsep.catalogue.ledger import Ledger
from latentsep.storage import StoreSettings, open_store

MEASURED = {
    "duration_s": [10.0, 20.0],
    "vocals_stem_bytes": [400, 800],
    "accompaniment_stem_bytes": [600, 300],
}


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "m.csv"
    rows = "".join(f"{name},s3://music/{name}.wav,3600\n" for name in "abcd")
    path.write_text(f"track_id,uri,duration_s\n{rows}e,s3://music/e.wav,\n")
    return path


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def store(out):
    return open_store(str(out), StoreSettings())


def plan_of(run, *arguments):
    code, told, errors = run("plan", *arguments, "--output", "json")
    assert (code, errors) == (0, "")
    return json.loads(told)


def test_a_plan_of_a_job_that_never_ran(run, manifest, out):
    code, told, errors = run("plan", manifest, "-o", out)
    assert (code, errors) == (0, "")
    assert "tracks:      5, 4.0 hours of audio, 1 of unknown length" in told
    assert "to do:       5" in told
    assert "audio to do: 5.0 hours" in told
    assert "speed:       unknown" in told
    assert not out.exists()


def test_what_is_given_decides_hours_and_money(run, manifest, out):
    given = ["--realtime-factor", "10", "--workers", "2", "--gpu-hour-price", "3"]
    _, told, _ = run("plan", manifest, "-o", out, *given, "--currency", "EUR")
    assert "GPU-hours:   0.50" in told
    assert "wall time:   0.25 hours" in told
    assert "cost:        1.50 EUR" in told


def test_what_is_finished_is_not_planned(run, manifest, out, store):
    Ledger(store, "w").commit(result_rows(["a", "gone"], **MEASURED), NO_REJECTS)
    Ledger(store, "w").commit(NO_RESULTS, reject_rows(["b"]))
    plan = plan_of(run, manifest, "-o", out, "--retry-rejected")
    assert (plan["tracks"], plan["finished"], plan["surplus"]) == (5, 1, 1)
    assert (plan["todo"], plan["retried_rejects"]) == (4, 1)
    assert plan["stem_bytes_per_audio_s_from"] == "results"
    # Three tracks of an hour, and one of unknown length that counts as one.
    assert plan["estimate"]["output_bytes"] == 4 * 3600 * 70


def test_a_limit_is_kept(run, manifest, out):
    assert plan_of(run, manifest, "-o", out, "--limit", "2")["todo"] == 2


def test_the_speed_of_the_last_job_is_taken(run, manifest, out, store):
    store.write("status.json", json.dumps({"worker_realtime_factor": 10.0}).encode())
    plan = plan_of(run, manifest, "-o", out)
    assert (plan["realtime_factor"], plan["realtime_factor_from"]) == (10.0, "last job")
    assert plan["estimate"]["gpu_hours"] == pytest.approx(0.5)


@pytest.mark.parametrize("status", [b"", b"{", b'{"worker_realtime_factor": null}', b'["x"]'])
def test_a_damaged_status_only_costs_the_speed(run, manifest, out, store, status):
    store.write("status.json", status)
    assert plan_of(run, manifest, "-o", out)["realtime_factor_from"] == "unknown"


def test_a_bad_manifest_is_refused_with_every_problem(run, manifest, out):
    manifest.write_text("uri\n" + "".join(f"gs://music/{number}.wav\n" for number in range(30)))
    code, told, errors = run("plan", manifest, "-o", out)
    assert code == 2
    assert len(told.splitlines()) == 30
    assert "30 problem(s)" in errors


def test_a_folder_is_planned_like_a_manifest(run, song, out):
    plan = plan_of(run, song.parent, "-o", out)
    assert (plan["todo"], plan["audio_s"]) == (1, 0.5)


def test_a_missing_manifest_is_exit_code_2(run, tmp_path, out):
    code, _, errors = run("plan", tmp_path / "gone.csv", "-o", out)
    assert code == 2
    assert "gone.csv" in errors
