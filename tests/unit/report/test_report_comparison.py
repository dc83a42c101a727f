import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report_outputs import NO_SCORES, SETTINGS, new_output
from tiny_outputs import IDENTITY, result_row

from latentsep.catalogue.run_identity import open_run
from latentsep.report.comparison import FINE_BINS, NOTABLE
from latentsep.report.read import ReportReader

BIN_DB, NOTABLE_DB = 60 / FINE_BINS, 60 * NOTABLE
RUNS = st.dictionaries(st.sampled_from("abcdefghij"), st.one_of(st.none(), st.floats(-60, 0)))


def rows(bleeds, **changes):
    return [
        result_row(track_id, bleed_db=bleed, **NO_SCORES, **changes)
        for track_id, bleed in bleeds.items()
    ]


def bleed_of(comparison):
    found = [one for one in comparison.differences if one.measure.column == "bleed_db"]
    return found[0] if found else None


@pytest.fixture
def runs(tmp_path):
    return new_output(tmp_path, "before"), new_output(tmp_path, "after")


def compared(before, after):
    reader = ReportReader(after.store, SETTINGS, out="after", against=before.store.uri)
    return reader.read(excerpts=False).comparison


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RUNS, RUNS)
def test_it_is_what_a_join_of_the_whole_tables_gives(tmp_path_factory, there, here):
    folder = tmp_path_factory.mktemp("runs")
    before, after = new_output(folder, "before"), new_output(folder, "after")
    for output, bleeds in ((before, there), (after, here)):
        for part in (dict(list(bleeds.items())[:2]), dict(list(bleeds.items())[2:])):
            output.commit(rows(part))
    comparison = compared(before, after)
    common = there.keys() & here.keys()
    if not common:
        assert comparison.problem
        return
    assert comparison.common_tracks == len(common)
    assert comparison.only_here == len(here.keys() - common)
    assert comparison.only_there == len(there.keys() - common)
    pairs = [(there[i], here[i]) for i in common if there[i] is not None and here[i] is not None]
    difference = bleed_of(comparison)
    if not pairs:
        assert difference is None
        return
    moved = np.float32([there for there, _ in pairs]) - np.float32([here for _, here in pairs])
    assert difference.tracks == len(pairs)
    # Bleed is better when it is lower.
    assert difference.better == np.count_nonzero(moved > NOTABLE_DB)
    assert difference.worse == np.count_nonzero(moved < -NOTABLE_DB)
    for found, side in ((difference.before, 0), (difference.after, 1)):
        exact = np.quantile([pair[side] for pair in pairs], 0.5, method="inverted_cdf")
        assert found == pytest.approx(exact, abs=BIN_DB + 1e-4)


def test_later_results_of_a_live_run_are_compared_as_well(runs):
    before, after = runs
    before.commit(rows({"a": -10.0, "b": -20.0}))
    after.commit(rows({"a": -15.0}))
    reader = ReportReader(after.store, SETTINGS, out="after", against=before.store.uri)
    assert reader.read(excerpts=False).comparison.common_tracks == 1
    after.commit(rows({"b": -20.0}))
    comparison = reader.read(excerpts=False).comparison
    assert (comparison.common_tracks, bleed_of(comparison).better) == (2, 1)


def test_what_was_set_otherwise_is_told(tmp_path, runs):
    before, _ = runs
    other = new_output(tmp_path, "other")
    (tmp_path / "other/run.json").unlink()
    open_run(other.store, {**IDENTITY, "steps": 4}, {})
    before.commit(rows({"a": -10.0}))
    other.commit(rows({"a": -10.0}))
    assert compared(before, other).identity_changes == (("steps", "1", "4"),)


def test_what_says_nothing_of_the_separation_is_not_compared(runs):
    before, after = runs
    for output in runs:
        output.commit(rows({"a": -10.0}))
    columns = {one.measure.column for one in compared(before, after).differences}
    assert "bleed_db" in columns
    assert not columns & {"duration_s", "mixture_loudness_lufs", "bandwidth_hz"}


@pytest.mark.parametrize(
    ("against", "said"),
    [
        ("nowhere", "holds no output of a job"),
        ("after", "is this output itself"),
        ("empty", "has no results yet"),
        ("strangers", "none of its 1 tracks is among the 1 here"),
        ("damaged", "run.json"),
        ("gopher://x", "gopher"),
    ],
)
def test_a_run_that_cannot_be_compared_is_one_line_and_the_rest_is_there(
    tmp_path, runs, against, said
):
    _, after = runs
    after.commit(rows({"a": -10.0}))
    new_output(tmp_path, "empty")
    new_output(tmp_path, "strangers").commit(rows({"z": -10.0}))
    new_output(tmp_path, "damaged")
    (tmp_path / "damaged/run.json").write_text("{}")
    uri = against if "://" in against else str(tmp_path / against)
    report = ReportReader(after.store, SETTINGS, out="x", against=uri).read(excerpts=False)
    assert said in report.comparison.problem
    assert "\n" not in report.comparison.problem
    assert report.comparison.differences == ()
    assert report.finished.tracks == 1


def test_a_damaged_part_of_the_earlier_run_is_a_line(tmp_path, runs):
    before, after = runs
    before.commit(rows({"a": -10.0}))
    before.commit(rows({"b": -10.0}))
    (tmp_path / "before/results/part-00000002.parquet").write_bytes(b"no Parquet")
    after.commit(rows({"a": -12.0, "b": -12.0}))
    reader = ReportReader(after.store, SETTINGS, out="x", against=before.store.uri)
    report = reader.read(excerpts=False)
    assert report.comparison.common_tracks == 1
    assert any("before/results/part-00000002" in problem for problem in report.problems)
