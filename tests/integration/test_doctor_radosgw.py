"""What the doctor says of outputs on a real S3 server."""

import boto3
import pytest
from s3_server import settings_for

from latentsep.pipeline.doctor_storage import output_checks
from latentsep.storage import open_store
from latentsep.storage.s3_client import forget_clients

pytestmark = pytest.mark.integration
BUCKET = "doctor"


@pytest.fixture(scope="module")
def bucket(radosgw):
    client = boto3.client("s3", endpoint_url=radosgw.url, region_name="us-east-1")
    client.create_bucket(Bucket=BUCKET)
    client.close()
    return BUCKET


def test_a_good_output_passes_with_a_word_on_old_servers_and_stays_empty(radosgw, bucket):
    settings = settings_for(radosgw.url)
    checks = output_checks(f"s3://{bucket}/out", settings, {})
    assert {check.name: check.state for check in checks} == {
        "output: list": "ok",
        "output: write": "ok",
        "output: conditional writes": "ok",
        "clock": "ok",
        "checksums": "warning",
    }
    assert list(open_store(f"s3://{bucket}", settings).list()) == []


def test_wrong_credentials_fail_with_a_fix_and_are_not_shown(
    radosgw, bucket, tmp_path, monkeypatch
):
    path = tmp_path / "credentials"
    path.write_text("[other]\naws_access_key_id = nobody\naws_secret_access_key = hidden\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    forget_clients()
    checks = output_checks(f"s3://{bucket}/out", settings_for(radosgw.url, profile="other"), {})
    forget_clients()
    writing = [check for check in checks if check.name.startswith("output")]
    assert [check.state for check in writing] == ["failed"] * 3
    assert all(check.fix for check in writing)
    assert "hidden" not in str(checks)


def test_a_missing_bucket_fails(radosgw):
    checks = output_checks("s3://no-such-bucket/out", settings_for(radosgw.url), {})
    assert {check.state for check in checks if check.name.startswith("output")} == {"failed"}
