import pyarrow as pa
from outcome_rows import manifest, outcomes

from latentsep.catalogue.schema import REJECT, RESULT
from latentsep.pipeline.rows import manifest_rows, outcome_table, split_outcomes


def test_results_and_rejects_are_told_apart_and_keep_the_further_columns():
    year = pa.array([1999, None, 2001], pa.int16())
    results, rejects = split_outcomes(outcomes(["a", "b", "c"], ["b"], year=year))
    assert results.column("track_id").to_pylist() == ["a", "c"]
    assert results.column("year").to_pylist() == [1999, 2001]
    assert results.schema.field("year").type == pa.int16()
    assert rejects.select(["track_id", "stage", "message", "year"]).to_pylist() == [
        {"track_id": "b", "stage": "load", "message": "is broken", "year": None}
    ]
    assert results.column_names == [*RESULT.names, "year"]
    assert rejects.column_names == [*REJECT.names, "year"]
    assert [results.schema.field(item.name).type for item in RESULT] == RESULT.types


def test_a_block_of_nothing_but_rejects_has_no_results():
    results, rejects = split_outcomes(outcomes(["a"], ["a"]))
    assert (results.num_rows, rejects.num_rows) == (0, 1)


def test_an_empty_block_is_no_trouble():
    results, rejects = split_outcomes(outcome_table(manifest([]), []))
    assert (results.num_rows, rejects.num_rows) == (0, 0)


def test_references_are_read_from_the_manifest_where_they_are_given():
    table = manifest(["a", "b"], vocals_uri=["file:///v.wav", None])
    first, second = manifest_rows(table)
    assert first.references == {"vocals": "file:///v.wav"}
    assert second.references == {}
    assert (first.track_id, first.uri, first.duration_s) == ("a", "file:///a.wav", None)
