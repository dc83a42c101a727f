import subprocess
import sys
import time
import uuid
from pathlib import Path

import boto3
import pytest
from s3_server import credentials, free_port, is_listening, settings_for

MOTO_PROCESS = Path(__file__).parents[2] / "moto_process.py"
START_S = 30


@pytest.fixture(scope="session")
def moto_url(tmp_path_factory):
    """Endpoint of a moto server in a process of its own, with a bucket named music."""
    log_path = tmp_path_factory.mktemp("moto") / "log"
    port = free_port()
    with credentials(), log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, MOTO_PROCESS, str(port)], stdout=log, stderr=log
        )
        try:
            deadline_s = time.monotonic() + START_S
            while not is_listening(port):
                assert process.poll() is None, f"moto died: {log_path.read_text()[-2000:]}"
                assert time.monotonic() < deadline_s, f"moto is not up after {START_S} s"
                time.sleep(0.05)
            url = f"http://127.0.0.1:{port}"
            client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
            client.create_bucket(Bucket="music")
            client.close()
            yield url
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def moto_settings(moto_url):
    return settings_for(moto_url)


@pytest.fixture
def moto_prefix(moto_url):
    """A prefix of its own for each test."""
    return f"s3://music/{uuid.uuid4().hex}"
