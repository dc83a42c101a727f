"""Verify, forget, status and failed on a real S3 server, as commands."""

import json
import uuid

import boto3
import pytest
from s3_server import settings_for
from tiny_outputs import TinyOutput, reject_row, result_row

from latentsep.catalogue.lease import Holder, Lease
from latentsep.catalogue.manifest import read_manifest
from latentsep.catalogue.track_ids import fan_out
from latentsep.cli.main import main
from latentsep.storage import StoreSettings, open_store
from latentsep.storage.s3_client import forget_clients

pytestmark = pytest.mark.integration
BUCKET = "verify"


@pytest.fixture(scope="module")
def _bucket(radosgw):
    client = boto3.client("s3", endpoint_url=radosgw.url, region_name="us-east-1")
    client.create_bucket(Bucket=BUCKET)
    client.close()


@pytest.fixture
def prefix(radosgw, _bucket, monkeypatch):
    """A new prefix; the commands find the server by the environment, as a user's would."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", radosgw.url)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    forget_clients()
    yield f"s3://{BUCKET}/{uuid.uuid4().hex}"
    forget_clients()


@pytest.fixture
def output(prefix, radosgw):
    output = TinyOutput(open_store(f"{prefix}/out", settings_for(radosgw.url)))
    output.finish("a", "b", "50% näher")
    output.stems("a", attempt="2")
    output.commit(rejects=[reject_row("c"), reject_row("d", retryable=True)])
    return output


@pytest.fixture
def run(capsys):
    """Runs a command: ``(exit code, stdout, stderr)``."""

    def run(*arguments):
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code or 0
        return code, *capsys.readouterr()

    return run


def key_of(track_id, attempt="1"):
    return f"stems/{fan_out(track_id)}/{track_id}/{attempt}/vocals.flac"


def test_a_whole_output_is_read_back(run, prefix, output):
    code, told, errors = run("verify", f"{prefix}/out")
    assert (code, errors) == (0, "")
    assert "3 tracks, the stems of 3 read\n2 stems of interrupted attempts" in told
    assert told.endswith("no problems\n")


def test_missing_shorter_and_damaged_stems_are_found(run, prefix, output):
    store = output.store
    store.delete([key_of("a")])
    store.write(key_of("b"), b"short")
    store.write(key_of("50% näher"), bytes(len(store.read(key_of("50% näher")))))
    code, told, _ = run("verify", f"{prefix}/out", "--output", "json")
    assert code == 1
    assert json.loads(told)["problems"] == {"missing": 1, "size": 1, "sha256": 1}


def test_clean_removes_only_what_no_row_names(run, prefix, output):
    kept = [key for key in output.listed() if "/2/" not in key]
    assert run("verify", f"{prefix}/out", "--clean")[0] == 0
    assert output.listed() == kept


def test_a_lease_of_a_job_is_respected(run, prefix, output):
    before = output.listed()
    with Lease.acquire(output.store, Holder.of_this_process(), ttl_s=3.0):
        assert run("verify", f"{prefix}/out", "--clean")[0] == 3
        assert run("forget", f"{prefix}/out", "--ids", "a", "--yes")[0] == 3
    assert output.listed() == before


def test_a_forgotten_track_leaves_nothing_but_its_record(run, prefix, output):
    code, told, _ = run("forget", f"{prefix}/out", "--ids", "a,c,50% näher", "--yes")
    assert code == 0
    assert told.startswith("a: removed 4 stems (")
    assert output.listed() == [key_of("b").replace("vocals", "accompaniment"), key_of("b")]
    document = json.loads(run("status", f"{prefix}/out", "--output", "json")[1])
    assert (document["finished"], document["rejected"], document["forgotten"]) == (1, 1, 3)
    assert run("verify", f"{prefix}/out")[0] == 0


def test_changed_sources_are_told(run, prefix, radosgw, output):
    sources = open_store(f"{prefix}/music", settings_for(radosgw.url))
    output.commit(
        results=[
            result_row(
                name,
                uri=sources.uri_of(f"{name}.wav"),
                source_etag=sources.write(f"{name}.wav", name.encode()),
            )
            for name in ("same", "again", "other", "gone")
        ]
    )
    sources.write("again.wav", b"again")
    sources.write("other.wav", b"another song")
    sources.delete(["gone.wav"])
    # The first three tracks of this output have no sources anywhere.
    output.ledger.withdraw(["a", "b", "50% näher"], "redone")
    told = run("status", f"{prefix}/out", "--check-sources")[1]
    assert f"touched or changed: other {prefix}/music/other.wav" in told
    assert f"missing: gone {prefix}/music/gone.wav" in told
    assert "sources:   1 touched or changed" in told


def test_failed_writes_a_manifest_to_the_bucket(run, prefix, output):
    code, told, _ = run("failed", f"{prefix}/out", "--permanent", "-o", f"{prefix}/again.parquet")
    assert code == 0
    assert "1 AudioDecodeError in load, permanent" in told
    manifest = read_manifest(f"{prefix}/again.parquet", StoreSettings())
    assert manifest.column("track_id").to_pylist() == ["c"]


@pytest.mark.parametrize("command", ["status", "failed", "verify"])
def test_a_bucket_or_prefix_without_a_job_ends_with_exit_code_2(run, prefix, command):
    code, _, errors = run(command, f"{prefix}/nothing")
    assert code == 2
    assert "holds no output of a job" in errors
    code, _, errors = run(command, "s3://no-such-bucket-here/out")
    assert code == 2
    assert "no-such-bucket-here" in errors
