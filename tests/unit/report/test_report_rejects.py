import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report_outputs import SETTINGS, new_output
from tiny_outputs import reject_row, result_row

from latentsep.catalogue.failed import grouped
from latentsep.catalogue.open_rejects import latest_rejects
from latentsep.report.read import ReportReader

CLASSES = ("AudioDecodeError", "StoreError")
COMMIT = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(CLASSES)), max_size=4,
    unique_by=lambda pair: pair[0],
)  # fmt: skip


def rejects(pairs):
    return [reject_row(track_id, error_class=name, message=name) for track_id, name in pairs]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(COMMIT, COMMIT), max_size=4))
def test_a_reader_that_looks_again_and_again_has_what_the_whole_ledger_says(
    tmp_path_factory, commits
):
    output = new_output(tmp_path_factory.mktemp("rejects"))
    reader = ReportReader(output.store, SETTINGS, out="out")
    for finished, failed in commits:
        output.commit([result_row(track_id) for track_id, _ in finished], rejects(failed))
        report = reader.read(excerpts=False)
        assert list(report.rejects) == grouped(latest_rejects(output.store))


@pytest.fixture
def output(tmp_path):
    return new_output(tmp_path)


def test_examples_tell_of_the_latest_attempt(output):
    output.commit(rejects=[reject_row("a", message="first")])
    reader = ReportReader(output.store, SETTINGS, out="out")
    reader.read(excerpts=False)
    output.commit(rejects=[reject_row("a", message="second")])
    (group,) = reader.read(excerpts=False).rejects
    assert (group.tracks, [one.message for one in group.examples]) == (1, ["second"])


def test_reject_rows_of_all_attempts_are_in_the_course(output):
    output.commit(rejects=[reject_row("a"), reject_row("b")])
    output.commit([result_row("a")], [reject_row("b")])
    report = ReportReader(output.store, SETTINGS, out="out").read(excerpts=False)
    assert (sum(report.course.rejects), report.rejected) == (3, 1)
