import json
from datetime import date

import pyarrow as pa
import pytest
from tiny_outputs import TinyOutput, reject_row, result_row

from latentsep.catalogue.manifest import read_manifest
from latentsep.storage import StoreSettings, open_store


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    busy = {"stage": "store", "error_class": "StoreError", "retryable": True}
    TinyOutput(open_store(str(folder))).commit(
        results=[result_row("fine")],
        rejects=[
            *(reject_row(f"bad{n}", album="007", released=date(1999, 1, 2)) for n in range(4)),
            reject_row("busy", **busy, message="busy: \x1b[2J"),
            reject_row("fine"),
        ],
        further=[("album", pa.string()), ("released", pa.date32())],
    )
    return folder


def test_rejects_are_grouped_with_examples(run, out):
    assert run("failed", out) == (
        0,
        "4 AudioDecodeError in load, permanent\n"
        "  bad0: bad0 is no audio\n"
        "  bad1: bad1 is no audio\n"
        "  bad2: bad2 is no audio\n"
        "1 StoreError in store, retryable\n"
        "  busy: busy: \\x1b[2J\n"
        "5 rejected tracks\n",
        "",
    )


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["--retryable"], 1),
        (["--permanent"], 4),
        (["--stage", "store"], 1),
        (["--stage", "store", "--stage", "load"], 5),
        (["--error-class", "AudioDecodeError"], 4),
        (["--error-class", "NoSuchError"], 0),
    ],
)
def test_only_the_rejects_asked_for_are_told(run, out, options, count):
    code, told, _ = run("failed", out, *options)
    assert code == 0
    assert told.splitlines()[-1].startswith(f"{count} of 5" if count < 5 else "5 ")


def test_each_track_is_shown_with_rows(run, out):
    told = run("failed", out, "--rows", "--retryable")[1]
    assert told.splitlines()[0] == "busy store StoreError retryable busy: \\x1b[2J"


def test_everything_is_in_the_json_document(run, out):
    told = run("failed", out, "--permanent", "--rows", "--output", "json")[1]
    document = json.loads(told)
    assert (document["tracks"], document["of"], document["manifest"]) == (4, 5, None)
    (group,) = document["groups"]
    assert (group["tracks"], len(group["examples"])) == (4, 3)
    assert document["rows"][0]["album"] == "007"
    assert document["rows"][0]["released"] == "1999-01-02"


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_a_manifest_of_just_them_is_written(run, out, tmp_path, ending):
    path = tmp_path / f"again.{ending}"
    code, told, _ = run("failed", out, "--permanent", "-o", path)
    assert (code, told.splitlines()[-1]) == (0, f"{path}: manifest of 4 tracks")
    manifest = read_manifest(str(path), StoreSettings())
    assert manifest.column("track_id").to_pylist() == [f"bad{n}" for n in range(4)]
    assert manifest.column("uri")[0].as_py() == "file:///music/bad0.wav"
    assert manifest.column("album").to_pylist() == ["007"] * 4
    assert manifest.column_names[:3] == ["track_id", "uri", "duration_s"]


def test_a_manifest_of_an_unknown_kind_ends_with_exit_code_2(run, out, tmp_path):
    code, _, errors = run("failed", out, "-o", tmp_path / "again.xlsx")
    assert code == 2
    assert "again.xlsx" in errors


def test_an_output_without_rejects_says_so(run, tmp_path):
    TinyOutput(open_store(str(tmp_path)))
    assert run("failed", tmp_path) == (0, "0 rejected tracks\n", "")


def test_a_place_without_a_job_ends_with_exit_code_2(run, tmp_path):
    code, _, errors = run("failed", tmp_path / "nowhere")
    assert code == 2
    assert "holds no output of a job" in errors
