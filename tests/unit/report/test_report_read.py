import shutil
from datetime import timedelta

import numpy as np
import pyarrow.parquet as pq
import pytest
from report_outputs import NO_SCORES, SETTINGS, new_output, sounding_row
from tiny_outputs import reject_row, result_row

from latentsep.catalogue.forget import forget
from latentsep.catalogue.lease import Holder
from latentsep.catalogue.ledger import FORGOTTEN
from latentsep.catalogue.status import read_output_status
from latentsep.report.read import ReportReader, read_report
from latentsep.storage.local import LocalStore


@pytest.fixture
def output(tmp_path):
    output = new_output(tmp_path)
    output.tell("done")
    return output


def read(output, *, excerpts=False, **options):
    return read_report(output.store, SETTINGS, out="out", excerpts=excerpts, **options)


def columns(report):
    return [each.measure.column for each in report.distributions]


def part_path(tmp_path, number, kind="results"):
    return tmp_path / f"out/{kind}/part-{number:08d}.parquet"


def rewrite(path, change):
    """Replace a part by what ``change`` makes of its table."""
    pq.write_table(change(pq.read_table(path)), path)


def test_it_says_what_status_says(output):
    output.commit([result_row(name, duration_s=30.0) for name in "abc"])
    output.commit(rejects=[reject_row("d"), reject_row("e", retryable=True)])
    output.tell("running", ago=timedelta(seconds=60))
    report, status = read(output), read_output_status(output.store)
    assert report.finished == status.finished
    assert (report.rejected, report.retryable) == (status.rejected, status.retryable) == (2, 1)
    assert (report.state, report.run_id) == (status.job.state, status.run_id)
    assert report.identity == status.identity
    assert (report.tracks_wanted, report.manifest) == (10, "s3://bucket/manifest.parquet")
    assert report.rate.tracks == status.rate.tracks == 3
    assert report.problems == ()


def test_the_model_and_its_licence_are_those_of_the_results(output):
    output.commit([result_row("a", model_name="paper", model_licence="CC-BY-4.0")])
    report = read(output)
    assert (report.model, report.model_licence) == ("paper", "CC-BY-4.0")


def test_before_the_first_result_the_model_is_that_of_the_identity(output):
    report = read(output)
    assert (report.model, report.model_licence) == ("tiny", None)
    assert (report.course, report.distributions, report.ranking) == (None, (), None)


def test_seconds_of_stages_and_distributions_are_those_of_all_tracks(output):
    output.commit([result_row("a", fetch_s=1.0, bleed_db=-10.0)])
    output.commit([result_row("b", fetch_s=2.5, bleed_db=None)])
    report = read(output)
    assert report.stage_s["fetch"] == 3.5
    (bleed,) = [each for each in report.distributions if each.measure.column == "bleed_db"]
    assert (bleed.tracks, bleed.undefined) == (1, 1)


def test_measures_without_any_value_are_left_out(output):
    output.commit([result_row("a", bleed_db=None, **NO_SCORES)])
    assert "bleed_db" not in columns(read(output))
    assert "vocals_si_sdr_db" not in columns(read(output))
    assert "vocal_activity_ratio" in columns(read(output))


def test_numbers_that_are_none_are_not_ranked(output):
    rows = [
        result_row("nan", bleed_db=float("nan"), **NO_SCORES),
        result_row("inf", bleed_db=float("-inf"), **NO_SCORES),
        result_row("one", bleed_db=-3.0, draw_spread_db=float("inf"), **NO_SCORES),
    ]
    output.commit(rows)
    (track,) = read(output).ranking.tracks
    assert track.track_id == "one"
    assert "draw_spread_db" not in track.values
    assert np.isfinite(list(track.values.values())).all()


def test_ranked_tracks_have_excerpts_if_asked_for(tmp_path, output):
    output.commit([sounding_row(output, tmp_path, name) for name in "abcd"])
    report = read(output, excerpts=True)
    assert report.problems == ()
    excerpts = [track.excerpt for track in report.ranking.tracks]
    assert [len(excerpt.stems) for excerpt in excerpts] == [3, 3, 3, 3]
    assert {track.excerpt for track in read(output).ranking.tracks} == {None}


def test_excerpts_are_read_once_and_shown_from_then_on(tmp_path, output):
    output.commit([sounding_row(output, tmp_path, name) for name in "ab"])
    reader = ReportReader(output.store, SETTINGS, out="out")
    first = [track.excerpt for track in reader.read().ranking.tracks]
    again = [track.excerpt for track in reader.read(excerpts=False).ranking.tracks]
    assert all(one is other for one, other in zip(first, again, strict=True))


def test_a_track_with_two_rows_is_no_end(tmp_path, output):
    """People copy parts."""
    output.commit([sounding_row(output, tmp_path, "a")])
    shutil.copy(part_path(tmp_path, 1), part_path(tmp_path, 2))
    report = read(output, excerpts=True)
    assert {track.track_id for track in report.ranking.tracks} == {"a"}


def test_excerpts_that_take_too_long_are_left_out_and_told(tmp_path, output):
    output.commit([sounding_row(output, tmp_path, name) for name in "ab"])
    report = ReportReader(output.store, SETTINGS, out="out").read(longest_s=0)
    assert [track.excerpt for track in report.ranking.tracks] == [None, None]
    assert "2 of 2 tracks have no excerpts" in report.problems[0]


class OpenedKeys(LocalStore):
    """Remembers what was read."""

    keys = ()

    def open(self, key):
        self.keys = (*self.keys, key)
        return super().open(key)


def test_a_reader_counts_further_without_reading_a_part_again(tmp_path, output):
    unranked = {"bleed_db": None, **NO_SCORES}
    store = OpenedKeys(tmp_path / "out")
    reader = ReportReader(store, SETTINGS, out="out")
    output.commit([result_row("a", duration_s=10.0, **unranked)])
    assert reader.read(excerpts=False).finished.tracks == 1
    store.keys = ()
    output.commit([result_row("b", duration_s=5.0, **unranked)])
    report = reader.read(excerpts=False)
    assert (report.finished.tracks, report.finished.audio_s) == (2, 15.0)
    assert set(store.keys) == {"results/part-00000002.parquet"}


def test_a_reader_notices_that_a_track_was_taken_down(tmp_path, output):
    output.commit([sounding_row(output, tmp_path, name) for name in "ab"])
    reader = ReportReader(output.store, SETTINGS, out="out")
    assert reader.read().finished.tracks == 2
    forget(output.store, ["a"], Holder.of_this_process())
    report = reader.read()
    assert (report.finished.tracks, report.forgotten) == (1, 1)
    assert [track.track_id for track in report.ranking.tracks] == ["b"]


def test_a_track_whose_taking_down_was_interrupted_is_not_shown(tmp_path, output):
    """The record is there, the row still is as well."""
    output.commit([sounding_row(output, tmp_path, name) for name in "ab"])
    path = part_path(tmp_path, 1)
    whole = path.read_bytes()
    output.ledger.withdraw(["a"], FORGOTTEN)
    path.write_bytes(whole)
    report = read(output, excerpts=True)
    assert [track.track_id for track in report.ranking.tracks] == ["b"]
    assert (report.finished.tracks, report.forgotten) == (1, 1)


def test_columns_that_an_older_version_did_not_write_are_left_out_and_told(tmp_path, output):
    output.commit([result_row("a", **NO_SCORES), result_row("b", **NO_SCORES)])
    lacking = ["bleed_db", "vocal_activity_ratio", "measure_s", "committed_at", "model_licence"]
    rewrite(part_path(tmp_path, 1), lambda table: table.drop_columns(lacking))
    report = read(output)
    (problem,) = [line for line in report.problems if "older schema" in line]
    assert all(name in problem for name in lacking[:4])
    assert (report.finished.tracks, report.course, report.ranking) == (2, None, None)
    assert "silence_ratio" in columns(report)
    assert report.stage_s["fetch"] == 2.0


@pytest.mark.parametrize("kind", ["results", "rejects", "withdrawn"])
def test_a_damaged_part_is_one_line_and_the_rest_is_shown(tmp_path, output, kind):
    output.commit([result_row("a")], [reject_row("x")])
    output.commit([result_row("b")], [reject_row("y")])
    output.ledger.withdraw(["gone"], FORGOTTEN)
    number = 1 if kind == "withdrawn" else 2
    part_path(tmp_path, number, kind).write_bytes(b"no Parquet")
    report = read(output)
    assert [f"{kind}/part" in line for line in report.problems] == [True]
    assert report.finished.tracks == (1 if kind == "results" else 2)
    assert report.rejected == (1 if kind == "rejects" else 2)


def test_a_damaged_run_record_is_one_line_and_the_rest_is_shown(tmp_path, output):
    output.commit([result_row("a")])
    output.tell("done")
    (tmp_path / "out/run.json").write_text("{}")
    report = read(output)
    assert (report.run_id, report.finished.tracks, report.model) == (None, 1, "text")
    (problem,) = report.problems
    assert "run.json: is damaged" in problem


def test_a_half_written_output_tells_what_it_lacks(tmp_path, output):
    output.commit([result_row("a")])
    for name in ("run.json", "status.json"):
        (tmp_path / "out" / name).unlink()
    run, status = read(output).problems
    assert "run.json: is missing" in run
    assert "status.json: is missing" in status


def test_a_ranked_row_that_is_gone_meanwhile_is_not_an_end(tmp_path, output):
    output.commit([result_row("a", **NO_SCORES)])
    reader = ReportReader(output.store, SETTINGS, out="out")
    assert reader.read(excerpts=False).ranking.tracks
    part_path(tmp_path, 1).unlink()
    report = reader.read(excerpts=False)
    assert (report.finished.tracks, report.ranking) == (0, None)


def test_states_say_why(output):
    output.tell("stopped", reason="30 % rejects")
    assert (read(output).state, read(output).state_reason) == ("stopped", "30 % rejects")
    output.tell("running", ago=timedelta(days=1), updated_at="2026-01-01T00:00:00+00:00")
    assert read(output).state == "stale"
    assert "ended without a word" in read(output).state_reason
