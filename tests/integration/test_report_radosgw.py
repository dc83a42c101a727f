"""The report of an output on a real S3 server: excerpts, the page, and forgetting."""

import uuid

import boto3
import pytest
from s3_server import settings_for
from tiny_outputs import TinyOutput, flac, result_row

from latentsep.catalogue.forget import forget
from latentsep.catalogue.lease import Holder
from latentsep.errors import ObjectMissingError
from latentsep.report import excerpts
from latentsep.report.publish import publish
from latentsep.report.read import read_report
from latentsep.storage import open_store

pytestmark = pytest.mark.integration
BUCKET = "report"
NAMES = ["mixture", "vocals", "accompaniment"]


@pytest.fixture(scope="module")
def _bucket(radosgw):
    client = boto3.client("s3", endpoint_url=radosgw.url, region_name="us-east-1")
    client.create_bucket(Bucket=BUCKET)
    client.close()


@pytest.fixture
def settings(radosgw):
    return settings_for(radosgw.url)


@pytest.fixture
def output(_bucket, settings):
    """Two tracks with sources and stems in the bucket."""
    store = open_store(f"s3://{BUCKET}/{uuid.uuid4().hex}", settings)
    output = TinyOutput(store)
    for track_id in ("a", "50% näher"):
        store.write(f"music/{track_id}.flac", flac(track_id))
        uri = store.uri_of(f"music/{track_id}.flac")
        output.commit([result_row(track_id, uri=uri, **output.stems(track_id))])
    output.tell("done")
    return output


def report_of(output, settings):
    return read_report(output.store, settings, out=output.store.uri)


def test_excerpts_come_from_the_bucket(output, settings):
    report = report_of(output, settings)
    assert report.problems == ()
    for track in report.ranking.tracks:
        assert track.excerpt.problems == ()
        assert [view.name for view in track.excerpt.stems] == NAMES


def test_objects_that_are_large_are_not_fetched_for_a_few_seconds(output, settings, monkeypatch):
    monkeypatch.setattr(excerpts, "MOST_FETCHED_BYTES", 100)
    (excerpt, _) = [track.excerpt for track in report_of(output, settings).ranking.tracks]
    assert excerpt.stems == ()
    assert all("too much for a few seconds" in problem for problem in excerpt.problems)


def test_forgetting_a_track_removes_the_page(output, settings):
    publish(output.store, report_of(output, settings))
    assert b"data:audio/ogg" in output.store.read("report.html")
    forget(output.store, ["a"], Holder.of_this_process())
    with pytest.raises(ObjectMissingError):
        output.store.read("report.html")
