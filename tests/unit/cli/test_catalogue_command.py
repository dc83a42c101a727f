import json

import pytest
from catalogue import write_manifest
from fake_engine import FakeEngine

from latentsep.pipeline import job as job_module


@pytest.fixture(autouse=True)
def _no_ray(monkeypatch):
    monkeypatch.setattr(job_module, "RayEngine", lambda address, workers: FakeEngine())


@pytest.fixture
def manifest(tmp_path):
    ids = ["a", "b", "bad-1"]
    return write_manifest(tmp_path / "m.csv", {name: f"/music/{name}.wav" for name in ids})


def test_the_summary_counts_and_says_where_to_look(run, model_folder, manifest, tmp_path):
    where = ("separate", manifest, "-o", tmp_path / "out", "-n", model_folder)
    code, told, errors = run(*where)
    assert (code, errors) == (0, "")
    first, reason, hint = told.splitlines()
    assert first.startswith("2 separated, 1 rejected, 0 finished before, 0 rejected before; 0.03 h")
    assert reason == "  rejected in load: 1 AudioDecodeError"
    assert hint == f"why: latentsep failed {tmp_path}/out"
    assert run(*where)[1].startswith("0 separated, 0 rejected, 2 finished before, 1 rejected")


def test_the_json_summary_is_the_status(run, model_folder, manifest, tmp_path):
    code, told, _ = run(
        "separate", manifest, "-o", tmp_path / "out", "-n", model_folder, "--output", "json"
    )
    assert code == 0
    document = json.loads(told)
    assert (document["state"], document["finished"], document["rejected"]) == ("done", 2, 1)


def test_too_many_rejects_are_exit_code_1_even_at_the_end(run, model_folder, manifest, tmp_path):
    code, _, errors = run(
        "separate", manifest, "-o", tmp_path / "out", "-n", model_folder,
        "--max-reject-share", "0.1",
    )  # fmt: skip
    assert code == 1
    assert "1 of 3 tracks were rejected (33%), --max-reject-share allows 10%" in errors


def test_a_dry_run_shows_the_plan_and_does_nothing(run, model_folder, manifest, tmp_path):
    code, told, errors = run(
        "separate", manifest, "-o", tmp_path / "out", "-n", model_folder, "--dry-run"
    )
    assert (code, errors) == (0, "")
    assert "to do:       3" in told
    assert not (tmp_path / "out").exists()


def test_options_reach_the_job_and_a_file_gives_the_rest(run, model_folder, manifest, tmp_path):
    (tmp_path / "job.yaml").write_text("separation: {seed: 3, refinement: 'off'}\n")
    arguments = ("separate", manifest, "-o", tmp_path / "out", "-n", model_folder)
    code, _, errors = run(*arguments, "--config", tmp_path / "job.yaml", "--int24")
    assert (code, errors) == (0, "")
    identity = json.loads((tmp_path / "out" / "run.json").read_text())["identity"]
    found = (identity["seed"], identity["refinement"], identity["stem_bit_depth"])
    assert found == (3, "off", 24)


def test_a_sampler_reaches_the_job_and_one_that_cannot_be_starts_nothing(
    run, model_folder, manifest, tmp_path
):
    arguments = ("separate", manifest, "-o", tmp_path / "out", "-n", model_folder)
    for option, message in {
        ("--sampler", "ddim"): "allowed are bridge, euler",
        ("--warm-start", "0.5"): "starts at the mixture: leave it out",
        ("--steps", "65"): "can do 1..64 steps, got 65",
    }.items():
        code, told, errors = run(*arguments, *option)
        assert (code, told) == (2, "")
        assert message in errors
        assert errors.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert run(*arguments, "--sampler", "euler")[0] == 0
    identity = json.loads((tmp_path / "out" / "run.json").read_text())["identity"]
    assert (identity["sampler"], identity["sampler_options"]) == ("euler", "{}")
