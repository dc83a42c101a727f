import subprocess
import sys
import time
import uuid
from pathlib import Path

import boto3
import pytest
from s3_server import credentials, free_port, is_listening, settings_for

from latentsep.storage import open_store

MOTO_PROCESS = Path(__file__).parents[2] / "moto_process.py"
START_S = 30


@pytest.fixture(scope="session")
def _credentials():
    with credentials():
        yield


@pytest.fixture(scope="session")
def moto_url(tmp_path_factory, _credentials):
    """Endpoint of a moto server in a process of its own."""
    log_path = tmp_path_factory.mktemp("moto") / "log"
    port = free_port()
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, MOTO_PROCESS, str(port)],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        deadline_s = time.monotonic() + START_S
        while not is_listening(port):
            assert process.poll() is None, f"moto server died: {log_path.read_text()[-2000:]}"
            assert time.monotonic() < deadline_s, f"moto server is not up after {START_S} s"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def moto_bucket(moto_url):
    client = boto3.client("s3", endpoint_url=moto_url, region_name="us-east-1")
    client.create_bucket(Bucket="music")
    client.close()
    return "music"


@pytest.fixture
def moto_settings(moto_url, moto_bucket):
    return settings_for(moto_url)


@pytest.fixture
def moto_store(moto_settings, moto_bucket):
    """A store of its own for each test."""
    return open_store(f"s3://{moto_bucket}/{uuid.uuid4().hex}", moto_settings)
