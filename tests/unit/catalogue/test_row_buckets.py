import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from latentsep.catalogue.row_buckets import RowBuckets
from latentsep.catalogue.track_ids import fan_out

SCHEMA = pa.schema([("track_id", pa.string()), ("row", pa.int64())])


def table(ids, start=0):
    return pa.table({"track_id": ids, "row": list(range(start, start + len(ids)))}, SCHEMA)


@given(parts=st.lists(st.lists(st.text("abcdef", min_size=1, max_size=4)), max_size=5))
def test_every_row_comes_back_once_in_the_folder_of_its_stems(tmp_path_factory, parts):
    given_rows, total = [], 0
    with RowBuckets(tmp_path_factory.mktemp("buckets")) as buckets:
        for ids in parts:
            part = table(ids, total)
            buckets.add(part)
            given_rows += part.to_pylist()
            total += len(ids)
        assert buckets.rows == total
        taken = []
        names = sorted({fan_out(row["track_id"]) for row in given_rows})
        for name in names:
            rows = buckets.take(name).to_pylist()
            assert {fan_out(row["track_id"]) for row in rows} == {name}
            assert [row["row"] for row in rows] == sorted(row["row"] for row in rows)
            taken += rows
        assert sorted(taken, key=lambda row: row["row"]) == given_rows
        assert list(buckets.names()) == []


def test_a_folder_without_rows_gives_none_and_is_given_once(tmp_path):
    with RowBuckets(tmp_path) as buckets:
        buckets.add(table(["a"]))
        assert buckets.take("zz") is None
        assert buckets.take(fan_out("a")).num_rows == 1
        assert buckets.take(fan_out("a")) is None
