"""The store's contract on a real S3 server, and the server's death in the middle of writes."""

import hashlib
import threading
import time
import traceback
import uuid
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from s3_server import MIB, SECRET_KEY, settings_for
from store_contract import StoreContract

from latentsep.errors import AccessDeniedError, ObjectMissingError, StoreError
from latentsep.storage import open_store
from latentsep.storage.s3_client import forget_clients, s3_client
from latentsep.storage.s3_requests import content_md5

pytestmark = pytest.mark.integration
BUCKET = "music"


@pytest.fixture(scope="module")
def client(radosgw):
    client = boto3.client("s3", endpoint_url=radosgw.url, region_name="us-east-1")
    client.create_bucket(Bucket=BUCKET)
    yield client
    client.close()


@pytest.fixture
def settings(radosgw, client):
    return settings_for(radosgw.url)


@pytest.fixture
def store(settings):
    return open_store(f"s3://{BUCKET}/{uuid.uuid4().hex}", settings)


class TestS3StoreOnRadosgw(StoreContract):
    pass


def open_uploads(client):
    return client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])


@pytest.fixture
def other_credentials(tmp_path, monkeypatch):
    """Writes the profile "other"; clients that read an earlier one are forgotten."""

    def write(access_key, secret_key):
        path = tmp_path / "credentials"
        path.write_text(
            f"[other]\naws_access_key_id = {access_key}\naws_secret_access_key = {secret_key}\n"
        )
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))

    forget_clients()
    yield write
    forget_clients()


@pytest.mark.parametrize(
    ("access_key", "secret_key", "code"),
    [
        ("testkey", "not-the-secret", "SignatureDoesNotMatch"),
        ("nobody", SECRET_KEY, "InvalidAccessKeyId"),
    ],
)
def test_wrong_credentials_are_told_apart_and_not_shown(
    radosgw, client, other_credentials, access_key, secret_key, code
):
    other_credentials(access_key, secret_key)
    store = open_store(f"s3://{BUCKET}", settings_for(radosgw.url, profile="other"))
    with pytest.raises(AccessDeniedError, match=code) as caught:
        store.write("x", b"1")
    assert not caught.value.retryable
    shown = "".join(traceback.format_exception(caught.value)) + repr(store)
    assert secret_key not in shown


def test_a_missing_bucket_is_named(settings, client):
    store = open_store("s3://no-such-bucket/out", settings)
    for call in (
        lambda: store.write("x", b""),
        lambda: store.read("x"),
        lambda: list(store.list()),
    ):
        with pytest.raises(StoreError, match="bucket does not exist") as caught:
            call()
        assert not isinstance(caught.value, ObjectMissingError)


def test_objects_of_others_are_denied(radosgw, settings, client):
    radosgw.add_user("other", "otherkey", "othersecret")
    other = boto3.client(
        "s3", endpoint_url=radosgw.url, region_name="us-east-1",
        aws_access_key_id="otherkey", aws_secret_access_key="othersecret",
    )  # fmt: skip
    other.create_bucket(Bucket="private")
    other.put_object(Bucket="private", Key="x", Body=b"1")
    other.close()
    store = open_store("s3://private", settings)
    for call in (lambda: store.read("x"), lambda: store.write("x", b""), lambda: store.stat("x")):
        with pytest.raises(AccessDeniedError, match="access denied"):
            call()


def test_a_failed_upload_leaves_neither_object_nor_parts(store, client, tmp_path):
    class BrokenDiskError(Exception):
        pass

    path = tmp_path / "stem.flac"
    path.write_bytes(bytes(16 * MIB))
    for trouble in (BrokenDiskError, KeyboardInterrupt):
        uploaded = []

        def fail_on_third_part(params, trouble=trouble, uploaded=uploaded, **_):
            uploaded.append(params["PartNumber"])
            if len(uploaded) == 3:
                raise trouble

        events = s3_client(store.settings).meta.events
        events.register("before-parameter-build.s3.UploadPart", fail_on_third_part)
        try:
            with pytest.raises(trouble):
                store.upload("stems/vocals.flac", path)
        finally:
            events.unregister("before-parameter-build.s3.UploadPart", fail_on_third_part)
        assert uploaded == [1, 2, 3]
        assert open_uploads(client) == []
        assert list(store.list()) == []


def test_bytes_damaged_on_the_way_are_refused(store):
    def damage(params, **_):
        params["ContentMD5"] = content_md5(b"what was sent")

    events = s3_client(store.settings).meta.events
    events.register("before-parameter-build.s3.PutObject", damage)
    try:
        with pytest.raises(StoreError, match="BadDigest") as caught:
            store.write("x", b"what arrived")
    finally:
        events.unregister("before-parameter-build.s3.PutObject", damage)
    assert caught.value.retryable
    assert list(store.list()) == []


class Recorder:
    """Writes objects without end and notes which the store acknowledged."""

    def __init__(self, store, folder, writer):
        self.acknowledged, self.doubtful = {}, {}
        self._store, self._writer = store, writer
        self._path = folder / f"{writer}.bin"

    def write_until(self, stop):
        number = 0
        while not stop.is_set():
            key = f"{self._writer}/{number:04d}"
            size = [70_000, 3 * MIB, 12 * MIB][number % 3]
            data = hashlib.sha256(key.encode()).digest() * (size // 32)
            try:
                self._write(key, data, number)
                self.acknowledged[key] = data
            except StoreError:
                self.doubtful[key] = data
            number += 1

    def _write(self, key, data, number):
        if number % 3 == 2:
            self._path.write_bytes(data)
            self._store.upload(key, self._path)
        elif number % 3 == 1:
            self._store.create(key, data)
        else:
            self._store.write(key, data)


def test_a_killed_server_loses_nothing_that_it_acknowledged(radosgw, store, tmp_path):
    stop = threading.Event()
    recorders = [Recorder(store, tmp_path, writer) for writer in range(4)]
    with ThreadPoolExecutor(len(recorders)) as pool:
        running = [pool.submit(recorder.write_until, stop) for recorder in recorders]
        time.sleep(3)
        radosgw.kill_gateway()
        time.sleep(0.5)
        stop.set()
        [future.result() for future in running]
    radosgw.start_gateway()
    acknowledged = {k: v for recorder in recorders for k, v in recorder.acknowledged.items()}
    doubtful = {k: v for recorder in recorders for k, v in recorder.doubtful.items()}
    assert len(acknowledged) >= 8
    assert doubtful
    assert [key for key, data in acknowledged.items() if store.read(key) != data] == []
    listed = {info.key: info for info in store.list()}
    assert set(acknowledged) <= set(listed)
    survivors = set(listed) - set(acknowledged)
    assert survivors <= set(doubtful)
    assert [key for key in survivors if store.read(key) != doubtful[key]] == []


def test_the_store_goes_on_when_the_server_comes_back(radosgw, client, tmp_path):
    patient = settings_for(
        radosgw.url,
        retry={"attempts": 60, "first_pause_s": 0.5, "longest_pause_s": 1.0, "total_s": 90.0},
    )
    store = open_store(f"s3://{BUCKET}/{uuid.uuid4().hex}", patient)
    store.write("before", b"1")
    radosgw.kill_gateway()
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(store.create, "during", b"2")
        radosgw.start_gateway()
        writing.result()
    assert store.read("before") + store.read("during") == b"12"
