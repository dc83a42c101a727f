import io
import uuid

import boto3
import numpy as np
import pyarrow.compute as pc
import pytest
import soundfile
from s3_server import settings_for

from latentsep.catalogue.manifest import read_manifest
from latentsep.catalogue.manifest_build import build_manifest, write_manifest
from latentsep.errors import LatentsepError, ManifestError
from latentsep.storage import open_store

pytestmark = pytest.mark.integration
BUCKET = "manifests"


@pytest.fixture(scope="module")
def settings(radosgw):
    client = boto3.client("s3", endpoint_url=radosgw.url, region_name="us-east-1")
    client.create_bucket(Bucket=BUCKET)
    client.close()
    return settings_for(radosgw.url)


@pytest.fixture
def store(settings):
    return open_store(f"s3://{BUCKET}/{uuid.uuid4().hex}", settings)


def sound(seconds):
    file = io.BytesIO()
    soundfile.write(file, np.zeros(round(8_000 * seconds)), 8_000, format="FLAC")
    return file.getvalue()


@pytest.mark.parametrize("name", ["m.parquet", "m.csv", "m.jsonl"])
def test_a_prefix_becomes_a_manifest_that_is_read_back(store, settings, name):
    lengths_s = [1.0, 0.5, 2.0]
    for number, seconds in enumerate(lengths_s):
        store.write(f"audio/ü {number}.flac", sound(seconds))
    store.write("audio/broken.mp3", b"none")
    told = []
    table = build_manifest(f"{store.uri}/audio", settings, told.append)
    assert table["duration_s"].to_pylist() == [None, *lengths_s]
    assert told == [1, 2, 3, 4]
    write_manifest(table, store.uri_of(f"lists/{name}"), settings)
    again = read_manifest(store.uri_of(f"lists/{name}"), settings)
    assert again.select(["track_id", "uri", "duration_s"]).equals(
        table.select(["track_id", "uri", "duration_s"])
    )


def test_more_objects_than_a_listing_holds_are_all_there(store, settings):
    data = sound(0.01)
    for number in range(1_010):
        store.write(f"audio/{number:04d}.flac", data)
    table = build_manifest(f"{store.uri}/audio", settings, lambda done: None)
    assert table.num_rows == 1_010
    assert pc.count_distinct(table["track_id"]).as_py() == 1_010
    assert table["duration_s"].null_count == 0


def test_paths_are_relative_to_the_manifest(store, settings):
    store.write("lists/m.csv", b"uri\r\n../audio/a.wav\r\nb.wav\r\n")
    table = read_manifest(store.uri_of("lists/m.csv"), settings)
    assert table["uri"].to_pylist() == [f"{store.uri}/audio/a.wav", f"{store.uri}/lists/b.wav"]


def test_a_missing_manifest_and_a_missing_bucket_are_named(store, settings):
    with pytest.raises(ManifestError, match=r"gone\.parquet"):
        read_manifest(store.uri_of("gone.parquet"), settings)
    with pytest.raises(LatentsepError, match="no-such-bucket"):
        read_manifest("s3://no-such-bucket/m.csv", settings)
