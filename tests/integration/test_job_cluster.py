"""The job on a real S3 server and on a Ray cluster of several nodes."""

import json
import uuid

import pyarrow.parquet as pq
import pytest
from catalogue import stem_digests, write_config, write_manifest, write_tracks
from command_line import LONGEST_S, run, start, wait_until
from s3_server import settings_for
from two_nodes import two_nodes

from latentsep.storage import open_store
from latentsep.storage.s3_client import s3_client

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
TRACKS = 40


@pytest.fixture
def s3(radosgw, monkeypatch):
    """An empty bucket and the environment in which every process finds its server."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", radosgw.url)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    # pyarrow's own S3 client on an old server, see docs/storage.md.
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    settings = settings_for(radosgw.url)
    bucket = f"job-{uuid.uuid4().hex[:12]}"
    s3_client(settings.s3).create_bucket(Bucket=bucket)
    return open_store(f"s3://{bucket}", settings)


def _upload(store, paths):
    for path in paths.values():
        store.upload(f"songs/{path.name}", path)
    return {track_id: store.uri_of(f"songs/{path.name}") for track_id, path in paths.items()}


def test_the_whole_job_on_s3_and_two_nodes_survives_the_death_of_one(tmp_path, s3, model_8khz):
    paths = write_tracks(tmp_path / "songs", TRACKS)
    local = write_manifest(tmp_path / "local.csv", paths)
    config = write_config(tmp_path / "job.yaml", workers={"count": 2})
    settings = ("-n", model_8khz, "--config", config)
    code, _, errors = run("separate", local, "-o", tmp_path / "alone", *settings)
    assert code == 0, errors

    uris = _upload(s3, paths)
    uris["gone"] = s3.uri_of("songs/gone.flac")
    s3.upload("manifest.csv", write_manifest(tmp_path / "m.csv", uris))
    out = s3.uri_of("out")
    with two_nodes() as nodes:
        arguments = (
            "separate", s3.uri_of("manifest.csv"), "-o", out, *settings, "--address", nodes.address,
        )  # fmt: skip
        with start(*arguments) as process:
            wait_until(lambda: any(s3.list("out/results/")), process)
            assert nodes.kill_one() == 1
            told, errors = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 0, errors
    assert told.startswith(f"{TRACKS} separated, 1 rejected"), told

    copy = tmp_path / "copy"
    for info in s3.list("out/"):
        if info.key.endswith(".parquet"):
            path = copy / info.key.removeprefix("out/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(s3.read(info.key))
    assert stem_digests(copy) == stem_digests(tmp_path / "alone")
    (reject,) = pq.read_table(copy / "rejects").to_pylist()
    assert (reject["track_id"], reject["error_class"]) == ("gone", "ObjectMissingError")

    code, told, errors = run("verify", out)
    assert (code, errors) == (0, ""), told
    status = json.loads(run("status", out, "--output", "json")[1])
    assert status["state"] == "done"


def test_a_cluster_that_is_too_small_is_refused_at_once(tmp_path, model_8khz, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    manifest = write_manifest(tmp_path / "m.csv", write_tracks(tmp_path / "songs", 1))
    config = write_config(tmp_path / "job.yaml", workers={"count": 50})
    with two_nodes(node_cpus=1) as nodes:
        code, _, errors = run(
            "separate", manifest, "-o", tmp_path / "out", "-n", model_8khz, "--config", config,
            "--address", nodes.address,
        )  # fmt: skip
    assert code == 2
    assert "need 51 CPUs and 0 GPUs; the cluster has 3" in errors


@pytest.mark.parametrize("address", ["ray://127.0.0.1:10001", "127.0.0.1:1", "nonsense"])
def test_an_address_that_cannot_be_joined_is_one_line(tmp_path, model_8khz, address):
    manifest = write_manifest(tmp_path / "m.csv", write_tracks(tmp_path / "songs", 1))
    arguments = ("separate", manifest, "-o", tmp_path / "out", "-n", model_8khz)
    code, told, errors = run(*arguments, "--address", address)
    assert (code, told) == (2, "")
    assert errors.startswith(f"Error: --address {address}: ")
    assert len(errors.splitlines()) == 1
