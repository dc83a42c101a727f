import pytest
from report_outputs import new_output
from tiny_outputs import result_row

from latentsep.catalogue.ledger import FORGOTTEN
from latentsep.catalogue.ledger_parts import RESULTS
from latentsep.report.part_feed import PartFeed


@pytest.fixture
def output(tmp_path):
    return new_output(tmp_path)


@pytest.fixture
def feed(output):
    return PartFeed(output.store, RESULTS, ["track_id"])


def new_ids(feed):
    assert feed.look()
    return [part.column("track_id").to_pylist() for _, part in feed.new()]


def part_path(tmp_path, number):
    return tmp_path / f"out/results/part-{number:08d}.parquet"


def test_a_part_comes_once(output, feed):
    output.commit([result_row("a"), result_row("b")])
    output.commit([result_row("c")])
    assert new_ids(feed) == [["a", "b"], ["c"]]
    output.commit([result_row("d")])
    assert new_ids(feed) == [["d"]]
    assert new_ids(feed) == []


def test_rows_that_went_are_noticed(output, feed):
    output.commit([result_row("a"), result_row("b")])
    assert new_ids(feed) == [["a", "b"]]
    output.ledger.withdraw(["a"], FORGOTTEN)
    assert not feed.look()


def test_a_damaged_part_is_a_line_and_comes_when_it_is_restored(tmp_path, output, feed):
    for track_id in "abc":
        output.commit([result_row(track_id)])
    path = part_path(tmp_path, 2)
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    assert new_ids(feed) == [["a"], ["c"]]
    (problem,) = feed.problems
    assert "part-00000002.parquet: is damaged" in problem
    path.write_bytes(whole)
    assert new_ids(feed) == [["b"]]
    assert feed.problems == []


def test_a_missing_part_is_a_line(tmp_path, output, feed):
    for track_id in "abc":
        output.commit([result_row(track_id)])
    part_path(tmp_path, 2).unlink()
    assert new_ids(feed) == [["a"], ["c"]]
    (problem,) = feed.problems
    assert "part-00000002.parquet: is missing" in problem


def test_other_objects_are_no_parts(tmp_path, output, feed):
    output.commit([result_row("a")])
    (tmp_path / "out/results/notes.txt").write_text("mine")
    assert new_ids(feed) == [["a"]]
    assert feed.problems == []
