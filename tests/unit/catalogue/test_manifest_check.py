import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentsep.catalogue.manifest_check import check_manifest
from latentsep.catalogue.track_ids import check_track_id
from latentsep.errors import ConfigError, InvalidKeyError
from latentsep.storage import split_uri


def table_of(ids=None, uris=None, durations=None, **further):
    count = len(ids or uris or durations or next(iter(further.values())))
    return pa.table(
        {
            "track_id": pa.array(ids or [f"t{n}" for n in range(count)], pa.string()),
            "uri": pa.array(uris or [f"s3://music/{n}.wav" for n in range(count)], pa.string()),
            "duration_s": pa.array(durations or [None] * count, pa.float64()),
            **further,
        }
    )


def test_a_good_manifest_has_no_problems():
    assert check_manifest(table_of(["a", "b"], durations=[0.0, 7.5], album=["x", None])) == []


def test_a_manifest_without_rows_has_no_problems_of_rows():
    assert check_manifest(table_of(["a"]).slice(0, 0)) == []


def test_ids_that_are_there_twice_name_both_rows():
    assert check_manifest(table_of(["a", "b", "a", "a"])) == [
        "row 3: track_id 'a' is also that of row 1; ids must be unique",
        "row 4: track_id 'a' is also that of row 1; ids must be unique",
    ]


@pytest.mark.parametrize(("one", "other"), [("Song", "song"), ("Caf\u00e9", "cafe\u0301")])
def test_ids_that_collide_on_some_disks_are_refused(one, other):
    (problem,) = check_manifest(table_of([one, "x", other]))
    assert problem.startswith(f"row 3: track_id {other!r} and {one!r} of row 1 differ only in case")


def test_ids_collide_across_chunks_of_a_column():
    halves = [table_of(["a", "É"]), table_of(["é", "A"], ["s3://music/3", "s3://music/4"])]
    assert len(check_manifest(pa.concat_tables(halves))) == 2


def test_ids_that_escape_are_refused():
    problems = check_manifest(table_of(["../../etc", "a/b", "ok", ".."]))
    assert [problem.split(":")[0] for problem in problems] == ["row 1", "row 2", "row 4"]
    assert "'../../etc' begins with a dot" in problems[0]


@pytest.mark.parametrize("uri", [None, "", "  "])
def test_a_row_needs_a_uri(uri):
    assert check_manifest(table_of(["a"], [uri])) == ["row 1: uri is empty"]


def test_a_row_without_uri_and_id_is_one_problem():
    assert check_manifest(table_of([None], [None])) == ["row 1: uri is empty"]


@pytest.mark.parametrize("uri", ["gs://b/x.wav", "http://host/x.wav", "az://c/x.wav"])
def test_unknown_schemes_are_refused_by_name(uri):
    (problem,) = check_manifest(table_of(["a"], [uri]))
    assert problem.startswith(f"row 1: uri {uri!r}: scheme {uri.split(':')[0]!r} is not supported")


@pytest.mark.parametrize(
    "uri",
    [
        "s3://music", "s3://music/", "s3://music/a//b", "s3://music/../x", "s3://music/a\\b",
        "s3://music/a\nb", "s3://x/y", "file://host/x.wav", "file:///a%00b.wav", "file:///a/%2E%2E",
        "file:///x/%FF.wav", "s3://music/" + "x" * 1025, "s3://music/.latentsep-lock",
    ],
)  # fmt: skip
def test_uris_that_no_store_takes_are_refused(uri):
    (problem,) = check_manifest(table_of(["a"], [uri]))
    assert problem.startswith("row 1: uri ")
    assert "\n" not in problem
    assert len(problem) < 1_000


def test_references_are_checked_and_may_be_missing():
    table = table_of(["a", "b"], vocals_uri=["gs://b/x", None], accompaniment_uri=["", "file:///x"])
    (problem,) = check_manifest(table)
    assert problem.startswith("row 1: vocals_uri 'gs://b/x': scheme 'gs'")


@pytest.mark.parametrize("duration_s", [-1.0, float("nan"), float("inf")])
def test_durations_are_numbers_from_zero_on(duration_s):
    (problem,) = check_manifest(table_of(["a", "b"], durations=[1.0, duration_s]))
    assert problem.startswith(f"row 2: duration_s is {duration_s}")


@pytest.mark.parametrize("name", ["run_id", "source_etag", "Seed", "URI", " "])
def test_names_of_result_columns_are_taken(name):
    (problem,) = check_manifest(table_of(["a"], **{name: ["x"]}))
    assert problem.startswith("column")


def test_columns_that_the_results_cannot_hold_are_refused():
    empty = pa.array([{}, None], pa.struct([]))
    table = table_of(["a", "b"], mood=empty, tags=pa.array([[{}], []], pa.list_(pa.struct([]))))
    assert check_manifest(table) == [
        "column 'mood' has the type struct<>, which Parquet cannot hold; leave it out",
        "column 'tags' has the type list<item: struct<>>, which Parquet cannot hold; leave it out",
    ]


def test_nested_columns_that_the_results_can_hold_are_fine():
    nested = pa.array([[{"name": "x"}], None])
    assert check_manifest(table_of(["a", "b"], artists=nested, nothing=pa.nulls(2))) == []


def test_all_problems_come_at_once_in_the_order_of_the_rows():
    table = table_of(
        ["b", "a/b", "b"], ["s3://music/x", "gs://x/y", None], [1.0, -1.0, None], seed=[1, 2, 3]
    )
    problems = check_manifest(table)
    assert [problem.split(":")[0] for problem in problems] == [
        "column 'seed'", "row 2", "row 2", "row 2", "row 3", "row 3",
    ]  # fmt: skip


def test_a_long_value_is_cut():
    (problem,) = check_manifest(table_of(["x" * 10_000]))
    assert len(problem) < 300
    assert "10000 bytes" in problem


@given(st.lists(st.text(max_size=12), min_size=1, max_size=5, unique_by=str.casefold))
def test_the_quick_check_of_ids_says_what_the_exact_one_says(ids):
    texts = [track_id for track_id in ids if not any("\ud800" <= c <= "\udfff" for c in track_id)]
    if texts:
        unfit = {n for n, track_id in enumerate(texts, 1) if check_track_id(track_id)}
        told = {
            int(p.split()[1][:-1]) for p in check_manifest(table_of(texts)) if "of row" not in p
        }
        assert told == unfit


PIECES = st.sampled_from(
    [
        "a", "B9", "/", "//", ".", "..", " ", "%20", "%2F", "%2e", "%C3%A9", "%FF", "\\", "\n", "é",
        ".latentsep-x", "?", "#",
    ]
)  # fmt: skip


@given(
    start=st.sampled_from(["s3://music/", "s3://", "file:///", "file://", "/"]),
    rest=st.lists(PIECES),
)
def test_the_quick_check_of_uris_says_what_the_stores_say(start, rest):
    uri = start + "".join(rest)
    try:
        split_uri(uri)
        is_fine = not (uri.startswith("file:") and "%FF" in uri) and bool(uri.strip())
    except (ConfigError, InvalidKeyError):
        is_fine = False
    assert (check_manifest(table_of(["a"], [uri])) == []) == is_fine


def test_many_rows_and_few_problems_are_told_by_their_numbers():
    count = 50_000
    durations = np.ones(count)
    durations[[10, 49_999]] = -1
    problems = check_manifest(table_of([str(n) for n in range(count)], durations=list(durations)))
    assert [problem.split(":")[0] for problem in problems] == ["row 11", "row 50000"]
