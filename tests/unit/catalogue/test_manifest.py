import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentsep.catalogue.manifest import inspect_manifest, is_manifest, read_manifest
from latentsep.catalogue.manifest_formats import write_manifest
from latentsep.catalogue.track_ids import track_id_of
from latentsep.errors import ManifestError, StoreError
from latentsep.storage import StoreSettings, open_store, open_uri

SETTINGS = StoreSettings()
ENDINGS = [".parquet", ".pq", ".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".ndjson"]


@pytest.fixture
def write(tmp_path):
    """Writes a manifest file; gives its path as text."""

    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


@pytest.fixture
def moto_store(moto_prefix, moto_settings):
    return open_store(moto_prefix, moto_settings)


def read(uri):
    return read_manifest(uri, SETTINGS)


def problems_of(uri):
    return inspect_manifest(uri, SETTINGS)[1]


def refusal(uri):
    with pytest.raises(ManifestError) as caught:
        read(uri)
    assert uri in str(caught.value)
    return str(caught.value)


def column(table, name):
    return table.column(name).to_pylist()


def test_endings_tell_manifests():
    assert all(is_manifest(f"s3://b/Tracks{ending.upper()}") for ending in ENDINGS)
    assert not any(
        map(is_manifest, ["x.wav", "s3://b/prefix", "parquet", "x.parquet.gz", "x.gz", ""])
    )


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_format_gives_the_same_rows(tmp_path, ending):
    table = pa.table(
        {
            "track_id": ["007", "b"],
            "uri": ["s3://music/a, b.wav", 'file:///x/"q"%20é.flac'],
            "duration_s": [61.5, None],
            "album": ["one\ntwo", "x"],
        }
    )
    uri = str(tmp_path / f"m{ending}")
    write_manifest(table, uri, SETTINGS)
    assert read(uri).equals(table)


def test_columns_come_in_order_with_ours_first(write):
    uri = write("m.csv", "b,duration,audio_filepath,a\n1,2.5,/x.wav,2\n")
    table = read(uri)
    assert table.column_names == ["track_id", "uri", "duration_s", "b", "a"]
    assert table.schema.types[:3] == [pa.string(), pa.string(), pa.float64()]
    assert table.slice(0).to_pylist()[0]["duration_s"] == 2.5


def test_our_names_win_over_those_of_nemo(write):
    table = read(write("m.csv", "audio_filepath,uri\nother,/x.wav\n"))
    assert column(table, "uri") == ["file:///x.wav"]
    assert column(table, "audio_filepath") == ["other"]


def test_paths_are_relative_to_the_manifest(tmp_path, write):
    paths = [
        "a.wav",
        "sub/é b.wav",
        "/abs/x.wav",
        "./c.wav",
        "../d.wav",
        "s3://music/e.wav",
        "50%.wav",
    ]
    uris = column(
        read(write("m.jsonl", "".join(json.dumps({"uri": p}) + "\n" for p in paths))), "uri"
    )
    here = tmp_path.as_uri()
    assert uris == [
        f"{here}/a.wav", f"{here}/sub/%C3%A9%20b.wav", "file:///abs/x.wav", f"{here}/c.wav",
        f"{here}/../d.wav", "s3://music/e.wav", f"{here}/50%25.wav",
    ]  # fmt: skip


@given(
    name=st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="/\\"),
        min_size=1,
    )
)
def test_any_file_beside_the_manifest_is_found_again(tmp_path_factory, name):
    if name.startswith(".") or len(name.encode()) > 200 or "://" in name or not name.strip():
        return
    folder = tmp_path_factory.mktemp("any é")
    (folder / name).write_bytes(b"here")
    write_manifest(pa.table({"uri": [name]}), str(folder / "m.parquet"), SETTINGS)
    (uri,) = column(read(str(folder / "m.parquet")), "uri")
    assert uri == (folder / name).as_uri()
    with open_uri(uri) as file:
        assert file.read() == b"here"


def test_a_manifest_reached_by_a_relative_path_or_a_uri_is_the_same(tmp_path, write, monkeypatch):
    uri = write("m.csv", "uri\na.wav\n")
    monkeypatch.chdir(tmp_path)
    assert read("m.csv").equals(read(uri))
    assert read(Path(uri).as_uri()).equals(read(uri))


def test_references_become_absolute_as_well(tmp_path, write):
    table = read(write("m.csv", "uri,vocals_uri\na.wav,v.wav\nb.wav,\n"))
    assert column(table, "vocals_uri") == [f"{tmp_path.as_uri()}/v.wav", None]


def test_ids_are_made_of_the_absolute_uri_where_there_are_none(tmp_path, write):
    made = track_id_of(f"{tmp_path.as_uri()}/a.wav")
    assert column(read(write("m.csv", "uri\na.wav\n")), "track_id") == [made]
    assert column(read(write("n.csv", "track_id,uri\nx,b.wav\n,a.wav\n")), "track_id") == [
        "x",
        made,
    ]


def test_ids_of_csv_keep_their_zeros_and_numbers_become_decimal_text(tmp_path, write):
    assert column(read(write("m.csv", "track_id,uri,n\n007,a,010\n")), "track_id") == ["007"]
    lines = (
        '{"track_id": 7, "uri": "a"}\n{"track_id": "x", "uri": "b"}\n{"track_id": %d, "uri": "c"}\n'
    )
    assert column(read(write("m.jsonl", lines % 2**70)), "track_id") == ["7", "x", str(2**70)]
    pq.write_table(pa.table({"track_id": [7], "uri": ["a"]}), tmp_path / "m.parquet")
    assert column(read(str(tmp_path / "m.parquet")), "track_id") == ["7"]


def test_further_columns_of_a_csv_are_text(write):
    table = read(write("m.csv", "uri,year,live\na,1999,true\nb,,\n"))
    assert column(table, "year") == ["1999", None]
    assert column(table, "live") == ["true", None]


def test_further_columns_keep_their_types(tmp_path, write):
    further = {"tags": [["x", "y"]], "size": pa.array([1], pa.int16()), "at": ["2020-01-01"]}
    pq.write_table(pa.table({"uri": ["a"], **further}), tmp_path / "m.parquet")
    schema = read(str(tmp_path / "m.parquet")).schema
    assert pa.types.is_list(schema.field("tags").type)
    assert schema.field("size").type == pa.int16()
    lines = '{"uri": "a", "n": 1, "at": "2020-01-01"}\n{"uri": "b", "n": 2.5, "x": {"y": 1}}\n'
    table = read(write("m.jsonl", lines))
    assert column(table, "n") == [1.0, 2.5]
    assert column(table, "at") == ["2020-01-01", None]
    assert column(table, "x") == [None, {"y": 1}]


def test_categories_of_pandas_are_text(tmp_path):
    uris = pa.array(["a", "b"]).dictionary_encode()
    table = pa.table({"uri": uris}).replace_schema_metadata({b"pandas": b"{}"})
    pq.write_table(table, tmp_path / "m.parquet")
    read_table = read(str(tmp_path / "m.parquet"))
    assert read_table.schema.field("uri").type == pa.string()
    assert not read_table.schema.metadata


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffuri,note\na.wav,x\n", "uri,note\r\na.wav,x\r\n", '"uri","note"\n"a.wav","x"\n',
        "uri,note\n\na.wav,x\n\n", "uri,note\na.wav,x",
    ],
)  # fmt: skip
def test_csv_as_other_programs_write_it_is_read(tmp_path, write, text):
    table = read(write("m.csv", text))
    assert column(table, "uri") == [f"{tmp_path.as_uri()}/a.wav"]
    assert column(table, "note") == ["x"]


def test_json_lines_as_other_programs_write_them_are_read(write):
    table = read(write("m.jsonl", '\ufeff{"uri": "/a"}\r\n\r\n{"uri": "/b", "x": null}'))
    assert column(table, "uri") == ["file:///a", "file:///b"]


def test_quoted_cells_hold_commas_quotes_and_line_ends(write):
    table = read(write("m.csv", 'uri,note\n"/a, b.wav","said ""no"",\nand left"\n'))
    assert column(table, "uri") == ["file:///a%2C%20b.wav"]
    assert column(table, "note") == ['said "no",\nand left']


@pytest.mark.parametrize("name", ["m.parquet", "m.csv", "m.jsonl", "m.csv.gz", "m.jsonl.gz"])
def test_an_empty_file_is_refused(write, name):
    assert "Traceback" not in refusal(write(name, b""))


@pytest.mark.parametrize("text", ["uri\n", "uri,note", "\ufeffuri\r\n"])
def test_a_header_alone_is_refused(write, text):
    assert "has no rows" in refusal(write("m.csv", text))


def test_no_rows_are_refused_in_parquet(tmp_path):
    pq.write_table(pa.table({"uri": pa.array([], pa.string())}), tmp_path / "m.parquet")
    assert "has no rows" in refusal(str(tmp_path / "m.parquet"))


def test_a_missing_file_is_named(tmp_path):
    assert "No such file" in refusal(str(tmp_path / "none.csv"))


def test_a_folder_is_no_manifest(tmp_path):
    (tmp_path / "m.csv").mkdir()
    assert "not a regular file" in refusal(str(tmp_path / "m.csv"))


@pytest.mark.parametrize("name", ["m.txt", "m.xlsx", "m", "m.parquet.gz"])
def test_other_endings_are_refused_with_those_that_are_allowed(write, name):
    text = refusal(write(name, "uri\na\n"))
    assert ".parquet" in text
    assert ".jsonl" in text


@pytest.mark.parametrize("uri", ["gs://b/m.csv", "s3:///m.csv", "s3://b/../m.csv"])
def test_a_manifest_at_no_place_is_refused(uri):
    with pytest.raises(Exception, match=r"m\.csv") as caught:
        read(uri)
    assert type(caught.value).__name__ in ("ConfigError", "ManifestError")


def test_a_cut_parquet_is_refused(tmp_path, write):
    pq.write_table(pa.table({"uri": ["a"] * 1000}), tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    for kept in (1, 8, len(whole) // 2, len(whole) - 1):
        assert "damaged" in refusal(write("m.parquet", whole[:kept]))


@given(
    data=st.binary(max_size=200),
    name=st.sampled_from(["m.parquet", "m.csv", "m.jsonl", "m.csv.gz"]),
)
def test_random_bytes_are_refused_in_words(tmp_path_factory, data, name):
    path = tmp_path_factory.mktemp("random") / name
    path.write_bytes(data)
    with pytest.raises(ManifestError):
        read(str(path))


def test_a_cut_gzip_is_refused(write):
    whole = gzip.compress(b"uri\n" + b"a.wav\n" * 10_000)
    assert "damaged" in refusal(write("m.csv.gz", whole[:-20]))


@pytest.mark.parametrize("name", ["m.csv", "m.jsonl"])
def test_what_is_not_utf8_is_refused(write, name):
    uri = write(name, b"uri\n" + '{"uri": "é"}\n'.encode("latin-1"))
    assert "UTF" in refusal(uri)


def test_broken_lines_are_told_by_number_all_at_once(write):
    lines = [
        '{"uri": "/a"}',
        '{"uri": ',
        "",
        "[1]",
        '{"uri": "gs://b/x"}',
        "\xff",
        '{"uri": "/a"} x',
    ]
    problems = problems_of(write("m.jsonl", "\n".join(lines)))
    assert [problem.split(":")[0] for problem in problems] == [
        "line 2", "line 4", "line 6", "line 7", "row 5",
    ]  # fmt: skip


def test_a_file_of_broken_lines_alone_is_told(write):
    uri = write("m.jsonl", "[" * 100_000 + "\nx\n")
    assert [problem.split(":")[0] for problem in problems_of(uri)] == ["line 1", "line 2"]
    assert "2 problems" in refusal(uri)


def test_rows_with_too_many_or_few_cells_are_told_by_number(write):
    problems = problems_of(write("m.csv", "uri,b\n/a,1\n/b\n\n/c,1,2\ngs://x/y,2\n"))
    assert problems[:2] == [
        "row 2: has 1 cells, the header has 2",
        "row 3: has 3 cells, the header has 2",
    ]
    assert problems[2].startswith("row 4: uri 'gs://x/y'")


def test_durations_that_are_no_numbers_are_told(write):
    assert problems_of(write("m.csv", "uri,duration_s\n/a,3:45\n/b, 7 \n/c,-2\n")) == [
        "row 1: duration_s '3:45' is no number of seconds",
        "row 3: duration_s is -2.0, allowed are seconds from 0 on; or leave it empty",
    ]


def test_a_manifest_without_uris_names_its_columns(write):
    text = refusal(write("m.csv", "track;path\na;b\n"))
    assert "no column 'uri'" in text
    assert "'track;path'" in text
    assert "comma" in text


@pytest.mark.parametrize("text", ["uri,a,a\nx,1,2\n", "uri,uri\nx,y\n"])
def test_columns_of_one_name_are_refused(write, text):
    assert "several columns of one name" in refusal(write("m.csv", text))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"uri": 7}', "'uri' of type int64"), ('{"uri": "/a", "track_id": 7.5}', "'track_id'"),
        ('{"uri": "/a", "duration_s": [1]}', "'duration_s'"),
        (f'{{"uri": "/a", "x": {2**70}}}', "'x'"), ('{"uri": "\\ud800"}', "'uri'"),
        ('{"uri": "/a", "x": [1, "b"]}', "'x'"),
    ],
)  # fmt: skip
def test_columns_of_no_use_are_named(write, line, words):
    assert words in refusal(write("m.jsonl", line + "\n"))


def test_only_twenty_problems_are_in_the_text_and_all_in_the_error(write):
    uri = write("m.csv", "uri\n" + "".join(f"gs://b/{n}\n" for n in range(50)))
    with pytest.raises(ManifestError) as caught:
        read(uri)
    assert "has 50 problems" in str(caught.value)
    assert "and 30 more" in str(caught.value)
    assert len(caught.value.problems) == 50


def test_many_json_lines_are_one_table(write):
    lines = [json.dumps({"uri": f"/{n}", "late": n if n > 15_000 else None}) for n in range(25_000)]
    table = read(write("m.jsonl", "\n".join(lines)))
    assert column(table, "late")[20_000] == 20_000
    assert column(table, "uri")[-1] == "file:///24999"


def test_a_column_that_csv_cannot_hold_is_refused_in_words(tmp_path):
    with pytest.raises(ManifestError, match=r"take \.parquet"):
        write_manifest(pa.table({"uri": ["a"], "x": [[1]]}), str(tmp_path / "m.csv"), SETTINGS)
    with pytest.raises(ManifestError, match="no format"):
        write_manifest(pa.table({"uri": ["a"]}), str(tmp_path / "m.txt"), SETTINGS)
    assert list(tmp_path.iterdir()) == []


def test_infinities_are_left_out_of_json_lines(tmp_path):
    table = pa.table({"uri": ["/a", "/b"], "x": [float("nan"), 1.0]})
    write_manifest(table, str(tmp_path / "m.jsonl"), SETTINGS)
    assert (tmp_path / "m.jsonl").read_text() == '{"uri": "/a"}\n{"uri": "/b", "x": 1.0}\n'


class TestOnS3:
    def put(self, store, name, text):
        store.write(name, text.encode())
        return store.uri_of(name)

    @pytest.mark.parametrize("name", ["m.csv", "m.csv.gz"])
    def test_paths_are_relative_to_the_prefix(self, moto_store, moto_settings, name):
        text = b"uri\na.wav\nsub/\xc3\xa9 b.wav\n../c.wav\n/local.wav\n"
        moto_store.write(name, gzip.compress(text) if name.endswith("gz") else text)
        table = read_manifest(moto_store.uri_of(name), moto_settings)
        above = moto_store.uri.rpartition("/")[0]
        assert column(table, "uri") == [
            f"{moto_store.uri}/a.wav", f"{moto_store.uri}/sub/é b.wav", f"{above}/c.wav",
            "file:///local.wav",
        ]  # fmt: skip

    def test_a_path_that_leaves_the_bucket_is_refused(self, moto_store, moto_settings):
        uri = self.put(moto_store, "m.csv", "uri\n../../../x.wav\n")
        with pytest.raises(ManifestError, match="row 1"):
            read_manifest(uri, moto_settings)

    def test_parquet_is_read_and_written(self, moto_store, moto_settings):
        table = pa.table({"track_id": ["a"], "uri": ["s3://music/a.wav"], "duration_s": [1.0]})
        uri = moto_store.uri_of("sub/m.parquet")
        write_manifest(table, uri, moto_settings)
        assert read_manifest(uri, moto_settings).equals(table)

    def test_a_missing_object_is_named(self, moto_store, moto_settings):
        uri = moto_store.uri_of("none.csv")
        with pytest.raises(ManifestError, match=r"none\.csv"):
            read_manifest(uri, moto_settings)

    def test_a_missing_bucket_is_named(self, moto_settings):
        with pytest.raises(ManifestError, match="no-such-bucket"):
            read_manifest("s3://no-such-bucket/m.csv", moto_settings)

    def test_a_store_out_of_reach_may_pass_and_is_no_fault_of_the_manifest(self, moto_settings):
        retry = moto_settings.s3.retry.model_copy(update={"attempts": 1})
        away = {"endpoint_url": "http://127.0.0.1:9", "retry": retry}
        settings = StoreSettings(s3=moto_settings.s3.model_copy(update=away))
        with pytest.raises(StoreError) as caught:
            read_manifest("s3://music/m.csv", settings)
        assert caught.value.retryable
