"""Every way a request can fail: bounded attempts, the right error, and never a wrong "I won"."""

import os
import time
import traceback

import pytest
from fault_server import (
    BAD_PROXY,
    CONFLICT,
    DONE_BUT_500,
    DONE_THEN_RESET,
    DONE_THEN_STALL,
    HALF_BODY,
    INTERNAL,
    NO_RANGE,
    RESET_AFTER_BODY,
    RESET_AT_ONCE,
    SLOW_DOWN,
    STALL,
    FaultServer,
    Refusal,
)
from s3_server import MIB, free_port, settings_for

from latentsep.errors import (
    AccessDeniedError,
    CommitStateUnknownError,
    ConfigError,
    ObjectChangedError,
    ObjectExistsError,
    ObjectMissingError,
    StoreError,
    WriteConflictError,
)
from latentsep.storage import StoreSettings, open_store
from latentsep.storage.s3_client import forget_clients
from latentsep.storage.s3_upload import part_size

ATTEMPTS = 4
PART = 64 * 1024
PASSING = [SLOW_DOWN, INTERNAL, BAD_PROXY, RESET_AT_ONCE, RESET_AFTER_BODY, STALL]
BEFORE_ANYTHING = [
    SLOW_DOWN, Refusal(429, "TooManyRequests"), Refusal(400, "RequestTimeout"),
    Refusal(400, "BadDigest"),
]  # fmt: skip


@pytest.fixture(scope="module")
def fault_server(_credentials):
    with FaultServer() as server:
        yield server


@pytest.fixture
def server(fault_server):
    fault_server.forget()
    return fault_server


@pytest.fixture
def store(server):
    s3 = settings_for(server.url, read_timeout_s=0.15).s3
    # Smaller parts than servers allow, so that an upload in parts takes no time.
    return open_store("s3://bkt/out", StoreSettings(s3=s3.model_copy(update={"part_bytes": PART})))


@pytest.mark.parametrize("fault", PASSING, ids=str)
@pytest.mark.parametrize("method", ["read", "write", "stat"])
def test_a_passing_fault_is_survived(server, store, fault, method):
    server.objects["/bkt/out/x"] = b"data"
    server.plan(fault, fault)
    calls = {"read": lambda: store.read("x"), "write": lambda: store.write("x", b"data"),
             "stat": lambda: store.stat("x").bytes}  # fmt: skip
    calls[method]()
    assert len(server.requests) == 3
    assert server.objects == {"/bkt/out/x": b"data"}


@pytest.mark.parametrize("fault", PASSING, ids=str)
def test_a_lasting_fault_ends_after_bounded_attempts(server, store, fault):
    server.plan(*[fault] * 20)
    with pytest.raises(StoreError, match="s3://bkt/out/x: the server") as caught:
        store.read("x")
    assert type(caught.value) is StoreError
    assert caught.value.retryable
    assert len(server.requests) == ATTEMPTS


@pytest.mark.usefixtures("_credentials")
def test_an_unreachable_server_is_tried_and_named():
    store = open_store("s3://bkt", settings_for(f"http://127.0.0.1:{free_port()}"))
    with pytest.raises(StoreError, match="cannot be reached") as caught:
        store.create("x", b"")
    assert type(caught.value) is StoreError
    assert caught.value.retryable


def test_no_attempt_starts_after_the_total_time(server):
    retry = {"attempts": 1000, "first_pause_s": 0.05, "longest_pause_s": 0.1, "total_s": 0.5}
    store = open_store("s3://bkt", settings_for(server.url, retry=retry))
    server.plan(*[SLOW_DOWN] * 1000)
    started_s = time.monotonic()
    with pytest.raises(StoreError, match="throttling"):
        store.read("x")
    # All attempts would take more than a minute of pauses.
    assert time.monotonic() - started_s < 30
    assert 0 < len(server.requests) < 200


def test_an_object_cut_in_transit_is_fetched_again(server, store):
    server.objects["/bkt/out/x"] = bytes(range(256)) * 400
    server.plan(HALF_BODY)
    assert store.read("x") == bytes(range(256)) * 400
    with store.open("x") as file:
        server.plan(HALF_BODY, RESET_AFTER_BODY)
        assert file.read() == bytes(range(256)) * 400


def test_an_ignored_range_is_no_data(server, store):
    server.objects["/bkt/out/x"] = bytes(1000)
    server.plan(NO_RANGE)
    with pytest.raises(StoreError, match="ignores range requests"):
        store.read_range("x", 10, 10)


# create: what the server surely did not do may be repeated; all else is in doubt.


@pytest.mark.parametrize("fault", BEFORE_ANYTHING, ids=str)
def test_a_throttled_create_is_repeated_and_its_outcome_is_certain(server, store, fault):
    server.plan(fault, fault)
    store.create("x", b"mine")
    assert server.objects == {"/bkt/out/x": b"mine"}
    server.plan(fault)
    with pytest.raises(ObjectExistsError):
        store.create("x", b"other")
    server.plan(*[fault] * 20)
    with pytest.raises(StoreError) as caught:
        store.create("y", b"mine")
    assert caught.value.retryable
    assert type(caught.value) is StoreError
    assert len(server.requests) == ATTEMPTS


@pytest.mark.parametrize("fault", [DONE_THEN_RESET, DONE_THEN_STALL, DONE_BUT_500], ids=str)
def test_a_create_whose_reply_was_lost_is_unknown(server, store, fault):
    server.plan(fault)
    with pytest.raises(CommitStateUnknownError, match="read the object and compare") as caught:
        store.create("x", b"mine")
    assert not caught.value.retryable
    assert store.read("x") == b"mine"


@pytest.mark.parametrize("fault", [RESET_AFTER_BODY, STALL, INTERNAL, BAD_PROXY], ids=str)
def test_a_create_that_was_not_carried_out_succeeds_when_repeated(server, store, fault):
    server.plan(fault)
    store.create("x", b"mine")
    assert len(server.requests) == 2
    assert server.objects == {"/bkt/out/x": b"mine"}


@pytest.mark.parametrize("fault", [RESET_AFTER_BODY, STALL, INTERNAL], ids=str)
def test_a_create_that_another_writer_overtook_is_unknown_not_lost(server, store, fault):
    server.objects["/bkt/out/x"] = b"other"
    server.plan(fault)
    with pytest.raises(CommitStateUnknownError):
        store.create("x", b"mine")


@pytest.mark.parametrize("fault", [RESET_AFTER_BODY, STALL, INTERNAL], ids=str)
def test_a_create_without_any_reply_is_unknown_after_bounded_attempts(server, store, fault):
    server.plan(*[fault] * 20)
    with pytest.raises(CommitStateUnknownError):
        store.create("x", b"mine")
    assert len(server.requests) == ATTEMPTS


def test_doubt_survives_later_refusals(server, store):
    server.plan(DONE_THEN_RESET, SLOW_DOWN, Refusal(403, "AccessDenied"))
    with pytest.raises(CommitStateUnknownError):
        store.create("x", b"mine")


def test_a_conflict_is_repeated_and_certain(server, store):
    server.plan(CONFLICT)
    store.create("x", b"mine")
    server.plan(*[CONFLICT] * 20)
    with pytest.raises(WriteConflictError, match="nothing was written") as caught:
        store.create("y", b"mine")
    assert caught.value.retryable
    assert len(server.requests) == ATTEMPTS


@pytest.mark.parametrize("fault", [DONE_THEN_RESET, DONE_THEN_STALL, DONE_BUT_500], ids=str)
def test_a_replacement_whose_reply_was_lost_is_unknown(server, store, fault):
    etag = store.create("lease.json", b"1")
    server.plan(fault)
    with pytest.raises(CommitStateUnknownError):
        store.replace_if("lease.json", b"2", etag)
    assert store.read("lease.json") == b"2"


def test_a_plain_write_whose_reply_was_lost_is_just_repeated(server, store):
    server.plan(DONE_THEN_RESET, DONE_BUT_500)
    store.write("x", b"mine")
    assert server.objects == {"/bkt/out/x": b"mine"}


# What the server says no to for good.


@pytest.mark.parametrize(
    ("refusal", "kind", "text"),
    [
        (Refusal(403, "AccessDenied"), AccessDeniedError, "access denied"),
        (Refusal(403, "InvalidAccessKeyId"), AccessDeniedError, "does not accept the credentials"),
        (Refusal(403, "SignatureDoesNotMatch"), AccessDeniedError, "check access key, secret"),
        (Refusal(400, "ExpiredToken"), AccessDeniedError, "session token"),
        (Refusal(403, "RequestTimeTooSkewed"), AccessDeniedError, "clock"),
        (Refusal(403, "InvalidObjectState"), StoreError, "archived"),
        (Refusal(404, "NoSuchKey"), ObjectMissingError, "no such object"),
        (Refusal(404, "NoSuchBucket"), StoreError, "bucket does not exist"),
        (Refusal(400, "AuthorizationHeaderMalformed"), StoreError, "AWS_REGION"),
        (Refusal(412, "PreconditionFailed"), ObjectChangedError, "not the expected one"),
        (Refusal(501, "NotImplemented"), StoreError, "conditional puts"),
        (Refusal(400, "KeyTooLongError"), StoreError, "KeyTooLongError"),
    ],
    ids=str,
)
def test_a_refusal_is_not_repeated_and_says_why(server, store, refusal, kind, text):
    server.plan(refusal)
    with pytest.raises(kind, match=text) as caught:
        store.read("x")
    assert type(caught.value) is kind
    assert not caught.value.retryable
    assert str(caught.value).startswith("s3://bkt/out/x: ")
    assert "secret text" not in str(caught.value)
    assert len(server.requests) == 1


def test_missing_credentials_are_explained(server, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    forget_clients()
    try:
        with pytest.raises(AccessDeniedError, match="set AWS_ACCESS_KEY_ID") as caught:
            open_store("s3://bkt", settings_for(server.url)).read("x")
    finally:
        forget_clients()
    assert not caught.value.retryable
    assert server.requests == []


def test_no_error_shows_the_secret(server, store):
    for fault in (SLOW_DOWN, RESET_AFTER_BODY, Refusal(403, "SignatureDoesNotMatch")):
        server.plan(*[fault] * 20)
        with pytest.raises(StoreError) as caught:
            store.read("x")
        shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
        assert "testsecret" not in shown


def test_an_unknown_profile_is_a_wrong_setting(server):
    with pytest.raises(ConfigError, match="nobody"):
        open_store("s3://bkt", settings_for(server.url, profile="nobody")).read("x")


def test_boto3_finds_the_endpoint_in_its_own_variables(server, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
    forget_clients()
    try:
        open_store("s3://bkt", settings_for(None)).write("x", b"1")
    finally:
        forget_clients()
    assert server.objects == {"/bkt/x": b"1"}


def test_requests_carry_no_checksum_of_the_newer_kinds(server, store, file):
    """Servers of some years ago refuse them, or store them as a part of the object."""
    etag = store.create("x", b"plain")
    store.replace_if("x", b"other", etag)
    store.write("y", b"third")
    store.upload("z", file)
    assert list(server.objects.values()) == [b"other", b"third", file.read_bytes()]
    names = {name.lower() for headers in server.headers for name in headers}
    assert {name for name in names if "checksum" in name or "trailer" in name} == set()
    assert "content-md5" in names


# Deleting and uploading.


def test_deletion_falls_back_to_single_requests(server, store):
    server.objects.update({"/bkt/out/x": b"", "/bkt/out/y": b""})
    store.delete(["x", "y", "missing"])
    assert server.objects == {}
    assert [request.split()[0] for request in server.requests] == ["POST"] + ["DELETE"] * 3


def test_a_denied_deletion_is_not_tried_one_by_one(server, store):
    server.plan(Refusal(403, "AccessDenied"))
    with pytest.raises(AccessDeniedError):
        store.delete(["x", "y"])
    assert len(server.requests) == 1


def test_the_stores_clock_needs_no_object_but_an_answer(server, store):
    server.plan(SLOW_DOWN, INTERNAL)
    assert store.now().tzinfo is not None
    assert len(server.requests) == 3
    server.plan(*[SLOW_DOWN] * 20)
    with pytest.raises(StoreError):
        store.now()


@pytest.fixture
def file(tmp_path):
    """Three parts."""
    path = tmp_path / "stem.flac"
    path.write_bytes(bytes(range(256)) * (5 * PART // 512))
    return path


@pytest.mark.parametrize("fault", [SLOW_DOWN, INTERNAL, RESET_AFTER_BODY, STALL], ids=str)
@pytest.mark.parametrize("request_number", range(5), ids=["begin", "part 1", "2", "3", "end"])
def test_an_upload_survives_a_fault_at_any_request(server, store, file, fault, request_number):
    server.plan(*[None] * request_number, fault)
    store.upload("x", file)
    assert server.objects == {"/bkt/out/x": file.read_bytes()}
    assert server.uploads == {}
    assert len(server.requests) == 6


@pytest.mark.parametrize("fault", [DONE_THEN_RESET, DONE_THEN_STALL, DONE_BUT_500], ids=str)
def test_an_upload_whose_end_got_no_reply_is_settled_by_looking(server, store, file, fault):
    server.plan(*[None] * 4, fault)
    store.upload("x", file)
    assert server.objects == {"/bkt/out/x": file.read_bytes()}


def test_an_upload_that_somebody_else_ended_is_retryable(server, store, file):
    server.objects["/bkt/out/x"] = b"older"
    server.plan(*[None] * 4, RESET_AFTER_BODY, Refusal(404, "NoSuchUpload"))
    with pytest.raises(StoreError, match="upload it again") as caught:
        store.upload("x", file)
    assert caught.value.retryable
    assert server.objects == {"/bkt/out/x": b"older"}


@pytest.mark.parametrize("request_number", [1, 3, 4])
def test_an_upload_that_fails_is_aborted(server, store, file, request_number):
    server.plan(*[None] * request_number, *[INTERNAL] * ATTEMPTS)
    with pytest.raises(StoreError) as caught:
        store.upload("x", file)
    assert caught.value.retryable
    assert (server.objects, server.uploads) == ({}, {})
    assert server.requests[-1].startswith("DELETE ")


def test_an_abort_that_fails_hides_not_the_reason(server, store, file, caplog):
    server.plan(None, Refusal(403, "AccessDenied"), *[INTERNAL] * ATTEMPTS)
    with pytest.raises(AccessDeniedError):
        store.upload("x", file)
    assert "event=upload_not_aborted" in caplog.text


def test_a_file_that_shrinks_while_it_is_uploaded_is_refused(server, store, file):
    server.on_request = lambda number: os.truncate(file, PART + 10) if number == 2 else None
    with pytest.raises(StoreError, match="became shorter"):
        store.upload("x", file)
    assert (server.objects, server.uploads) == ({}, {})


def test_parts_grow_with_the_file():
    assert part_size(10**9, 16 * MIB) == 16 * MIB
    for size in (16 * MIB * 10_000, 16 * MIB * 10_000 + 1, 5 * 10**12):
        assert -(-size // part_size(size, 16 * MIB)) <= 10_000
