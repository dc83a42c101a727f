"""The catalogue job as a user runs it: one machine, local files, real Ray."""

import json
import signal
import time

import duckdb
import numpy as np
import pandas as pd
import pytest
import soundfile
from catalogue import (
    RATE_HZ,
    reject_rows,
    result_rows,
    stem_digests,
    write_config,
    write_manifest,
    write_tracks,
)
from command_line import LONGEST_S, files_in, run, start, wait_until

# A job takes ten seconds to start and end, on a busy machine several times that.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


@pytest.fixture
def job(tmp_path, model_8khz):
    """``job(manifest, *options, out=...)``: the command's arguments."""

    def arguments(manifest, *options, out="out", **config):
        file = write_config(tmp_path / "job.yaml", **config)
        where = ("-o", tmp_path / out, "-n", model_8khz, "--config", file)
        return ("separate", manifest, *where, *options)

    return arguments


def test_a_catalogue_ends_with_its_ids_in_results_and_rejects(tmp_path, job):
    uris = write_tracks(tmp_path / "songs", 5)
    uris["broken"] = tmp_path / "songs" / "broken.flac"
    uris["broken"].write_bytes(uris["track-000"].read_bytes()[:2000])
    uris["empty"] = tmp_path / "songs" / "empty.wav"
    uris["empty"].touch()
    uris["gone"] = tmp_path / "songs" / "gone.wav"
    years = [1990 + number for number in range(len(uris))]
    manifest = write_manifest(tmp_path / "m.csv", uris, year=years)

    code, told, errors = run(*job(manifest))
    assert (code, errors) == (0, "")
    assert told.startswith("5 separated, 3 rejected, 0 finished before")
    results, rejects = result_rows(tmp_path / "out"), reject_rows(tmp_path / "out")
    assert sorted([*results, *rejects]) == sorted(uris)
    assert {track_id: row["error_class"] for track_id, row in rejects.items()} == {
        "broken": "AudioDecodeError", "empty": "AudioDecodeError", "gone": "ObjectMissingError",
    }  # fmt: skip
    assert all(row["stage"] == "load" and row["message"] for row in rejects.values())
    assert rejects["gone"]["year"] == str(years[-1])
    for track_id, row in results.items():
        source = soundfile.info(uris[track_id])
        assert row["year"] == str(years[list(uris).index(track_id)])
        assert row["stem_frames"] == row["source_frames"] == source.frames
        mixture, rate_hz = soundfile.read(uris[track_id], dtype="int32")
        stems = [
            soundfile.read(row[f"{stem}_stem_uri"].removeprefix("file://"), dtype="int32")
            for stem in ("vocals", "accompaniment")
        ]
        assert {rate for _, rate in stems} == {rate_hz}
        np.testing.assert_array_equal(stems[0][0] + stems[1][0], mixture)

    written = files_in(tmp_path / "out")
    code, told, errors = run(*job(manifest, "--output", "json"))
    assert (code, errors) == (0, "")
    again = json.loads(told)
    assert (again["planned"], again["finished_before"], again["finished"]) == (0, 5, 0)
    assert files_in(tmp_path / "out") == written

    code, told, errors = run("verify", tmp_path / "out")
    assert (code, errors) == (0, ""), told

    page = tmp_path / "out" / "report.html"
    assert page.read_text().count("data:audio/ogg") == 15
    assert run("forget", tmp_path / "out", "--ids", "track-000", "--yes")[0] == 0
    assert not page.exists()


def test_results_are_read_by_duckdb_and_pandas_as_they_are(tmp_path, job):
    manifest = write_manifest(
        tmp_path / "m.csv", write_tracks(tmp_path / "songs", 3), mood=["a"] * 3
    )
    assert run(*job(manifest))[0] == 0
    parts = f"{tmp_path}/out/results/*.parquet"
    rows = duckdb.sql(f"SELECT track_id, mood, duration_s FROM '{parts}' ORDER BY 1").fetchall()
    frame = pd.read_parquet(tmp_path / "out" / "results").sort_values("track_id")
    assert [row[0] for row in rows] == ["track-000", "track-001", "track-002"]
    assert [tuple(row) for row in frame[["track_id", "mood", "duration_s"]].values] == rows


def test_stems_do_not_depend_on_order_companions_or_blocks(tmp_path, job):
    uris = write_tracks(tmp_path / "songs", 6)
    forwards = write_manifest(tmp_path / "f.csv", uris)
    backwards = write_manifest(tmp_path / "b.csv", dict(reversed(uris.items())))
    assert run(*job(forwards, out="one"))[0] == 0
    wide = {"tracks_per_block": 25, "tracks_in_flight": 4}
    assert run(*job(backwards, out="two", workers=wide))[0] == 0
    assert stem_digests(tmp_path / "one") == stem_digests(tmp_path / "two")


def test_added_tracks_are_an_ordinary_rerun_and_other_settings_are_refused(tmp_path, job):
    uris = write_tracks(tmp_path / "songs", 4)
    first = write_manifest(tmp_path / "m.csv", dict(list(uris.items())[:2]))
    assert run(*job(first))[0] == 0
    more = write_manifest(tmp_path / "m.csv", uris)
    code, told, errors = run(*job(more, "--no-refine"))
    assert code == 2
    assert "refinement" in errors
    assert len(errors.splitlines()) == 1
    code, told, errors = run(*job(more))
    assert (code, errors) == (0, "")
    assert told.startswith("2 separated, 0 rejected, 2 finished before")


def test_rejects_are_tried_again_when_asked_and_retryable_ones_by_themselves(tmp_path, job):
    uris = write_tracks(tmp_path / "songs", 2)
    whole = uris["track-001"].read_bytes()
    uris["track-001"].write_bytes(whole[:3000])
    manifest = write_manifest(tmp_path / "m.csv", uris)
    assert run(*job(manifest))[0] == 0
    uris["track-001"].write_bytes(whole)
    code, told, _ = run(*job(manifest))
    assert told.startswith("0 separated, 0 rejected, 1 finished before, 1 rejected before")
    code, told, _ = run(*job(manifest, "--retry-rejected"))
    assert (code, told.split(",")[0]) == (0, "1 separated")
    assert sorted(result_rows(tmp_path / "out")) == ["track-000", "track-001"]


def test_a_changed_source_is_shown_and_redone_when_asked(tmp_path, job):
    uris = write_tracks(tmp_path / "songs", 2)
    manifest = write_manifest(tmp_path / "m.csv", uris)
    assert run(*job(manifest))[0] == 0
    before = stem_digests(tmp_path / "out")
    soundfile.write(uris["track-001"], np.full(RATE_HZ, 0.25), RATE_HZ)
    _, told, _ = run("status", tmp_path / "out", "--check-sources")
    assert "track-001" in told
    assert "track-000" not in told
    assert run(*job(manifest))[1].startswith("0 separated")
    assert run(*job(manifest, "--recheck-sources"))[1].startswith("1 separated")
    after = stem_digests(tmp_path / "out")
    assert after["track-000"] == before["track-000"]
    assert after["track-001"] != before["track-001"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_job_within_20_s_committed_and_a_rerun_goes_on(
    tmp_path, job, held, number
):
    uris = {**write_tracks(tmp_path / "songs", 24), "held": held.uri}
    arguments = job(write_manifest(tmp_path / "m.csv", uris), storage=held.settings)
    with start(*arguments) as process:
        wait_until(lambda: list((tmp_path / "out" / "results").glob("part-*")), process)
        began_s = time.monotonic()
        process.send_signal(number)
        _, errors = process.communicate(timeout=LONGEST_S)
        assert time.monotonic() - began_s < 20
    assert process.returncode == 75
    assert "run the same command again" in errors
    done = len(result_rows(tmp_path / "out"))
    assert 0 < done < len(uris)
    status = json.loads(run("status", tmp_path / "out", "--output", "json")[1])
    assert status["state"] == "interrupted"
    held.release()
    code, told, _ = run(*arguments)
    assert code == 0
    assert told.startswith(f"{len(uris) - done} separated, 0 rejected, {done} finished before")


def test_the_second_job_on_one_output_ends_with_3_and_names_the_first(tmp_path, job, held):
    uris = {**write_tracks(tmp_path / "songs", 4), "held": held.uri}
    arguments = job(write_manifest(tmp_path / "m.csv", uris), storage=held.settings)
    with start(*arguments) as first:
        wait_until((tmp_path / "out" / "lease.json").exists, first)
        code, _, errors = run(*arguments)
        assert code == 3
        assert str(first.pid) in errors
        held.release()
        first.communicate(timeout=LONGEST_S)
    assert first.returncode == 0
    assert len(result_rows(tmp_path / "out")) == len(uris)


def test_without_a_lease_two_drivers_still_commit_no_track_twice(tmp_path, job):
    manifest = write_manifest(tmp_path / "m.csv", write_tracks(tmp_path / "songs", 24))
    arguments = job(manifest, ledger={"use_lease": False, "commit_every_s": 0.05})
    with start(*arguments) as first, start(*arguments) as second:
        for process in (first, second):
            _, errors = process.communicate(timeout=LONGEST_S)
            assert process.returncode == 0, errors
    assert len(result_rows(tmp_path / "out")) == 24


def test_a_limit_of_rejects_stops_the_job_with_1(tmp_path, job):
    uris = {f"gone-{number}": tmp_path / f"gone-{number}.wav" for number in range(400)}
    manifest = write_manifest(tmp_path / "m.csv", uris)
    code, _, errors = run(*job(manifest, "--max-reject-share", "0.3"))
    assert code == 1
    assert "--max-reject-share allows 30%" in errors
    assert 100 <= len(reject_rows(tmp_path / "out")) < 400


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ("none.csv", "none.csv"),
        ("text.parquet", "text.parquet"),
        ("double.csv", "same"),
        ("escape.csv", "../evil"),
        ("scheme.csv", "ftp"),
        ("reserved.csv", "source_bytes"),
    ],
)
def test_a_manifest_that_cannot_be_run_is_refused_before_any_work(tmp_path, job, manifest, words):
    (tmp_path / "text.parquet").write_text("no parquet")
    (tmp_path / "double.csv").write_text("track_id,uri\nsame,/a.wav\nsame,/b.wav\n")
    (tmp_path / "escape.csv").write_text("track_id,uri\n../evil,/a.wav\n")
    (tmp_path / "scheme.csv").write_text("track_id,uri\na,ftp://host/a.wav\n")
    (tmp_path / "reserved.csv").write_text("track_id,uri,source_bytes\na,/a.wav,1\n")
    code, told, errors = run(*job(tmp_path / manifest))
    assert (code, told) == (2, "")
    assert words in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "out" / "results").exists()
