"""``latentsep demo``: what a newcomer runs first."""

import duckdb
import pytest
from catalogue import reject_rows, result_rows
from command_line import files_in, run

from latentsep.evaluation.demo import BAD_IDS, LONG_TRACK, TRACKS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def test_the_demo_ends_with_its_manifest_in_results_and_rejects_and_then_skips_all(
    tmp_path, model_8khz
):
    code, told, errors = run("demo", "-o", tmp_path / "demo", "-n", model_8khz, timeout_s=240)
    assert (code, errors) == (0, "")
    assert "13 separated, 3 rejected, 0 finished before" in told
    out = tmp_path / "demo" / "out"
    results, rejects = result_rows(out), reject_rows(out)
    assert sorted(results) == sorted(track.track_id for track in (*TRACKS, LONG_TRACK))
    assert sorted(rejects) == sorted(BAD_IDS)
    assert all(row["message"] and row["stage"] == "load" for row in rejects.values())
    for row in results.values():
        assert row["stem_frames"] == row["source_frames"]
        assert row["reference_error"] is None
        lossless = row["source_bit_depth"] is not None or row["source_codec"] == "float"
        long = row["track_id"] == LONG_TRACK.track_id
        assert (row["vocals_sdr_db"] is not None) == (lossless and not long)
    assert results[LONG_TRACK.track_id]["duration_s"] == 1200.0

    (query,) = (line for line in told.splitlines() if line.startswith("Query with DuckDB:"))
    assert len(duckdb.sql(query.partition(":")[2]).fetchall()) == 13

    written = files_in(out)
    code, told, errors = run("demo", "-o", tmp_path / "demo", "-n", model_8khz)
    assert (code, errors) == (0, "")
    assert "0 separated, 0 rejected, 13 finished before, 3 rejected before" in told
    assert files_in(out) == written
