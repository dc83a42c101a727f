import pytest

from latentsep.catalogue.stem_objects import (
    StemPlace,
    key_in_output,
    objects_by_fan_out,
    place_of,
    stem_prefix,
)
from latentsep.catalogue.track_ids import fan_out, stem_key
from latentsep.storage.local import LocalStore


def test_a_key_tells_whose_object_it_is():
    key = stem_key("a b", "0f", "vocals", "flac")
    assert place_of(key) == StemPlace("a b", "0f")
    assert key.startswith(stem_prefix("a b"))


@pytest.mark.parametrize(
    "key",
    [
        "stems/README",
        f"stems/{fan_out('a')}/a/0f",
        f"stems/{fan_out('a')}/b/0f/vocals.flac",
        f"stems/{fan_out('a')}/a/0f/deeper/vocals.flac",
        f"other/{fan_out('a')}/a/0f/vocals.flac",
    ],
)
def test_a_key_that_no_job_writes_is_nobodys(key):
    assert fan_out("a") != fan_out("b")
    assert place_of(key) is None


@pytest.mark.parametrize("track_id", ["a", "a b", "50%", "Ärger"])
def test_the_key_is_found_in_the_uri_also_after_a_move(tmp_path, track_id):
    key = stem_key(track_id, "0f", "vocals", "flac")
    assert key_in_output(LocalStore(tmp_path / "before").uri_of(key)) == key
    assert key_in_output(f"s3://bucket/some/prefix/{key}") == key


def test_objects_come_one_folder_at_a_time(tmp_path):
    store = LocalStore(tmp_path)
    keys = sorted(stem_key(f"track {n}", "0f", "vocals", "flac") for n in range(20))
    for key in [*keys, "results/part-00000001.parquet"]:
        store.write(key, b"x")
    folders = list(objects_by_fan_out(store))
    assert [info.key for _, objects in folders for info in objects] == keys
    assert [name for name, _ in folders] == sorted({key.split("/")[1] for key in keys})
