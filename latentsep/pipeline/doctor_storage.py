"""Checks of an output, and of a manifest with its sources: rights, conditions, clock."""

import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

from latentsep.catalogue.manifest import read_manifest
from latentsep.errors import ConfigError, ObjectMissingError, StoreError
from latentsep.pipeline.doctor import Check, guarded
from latentsep.storage import Store, StoreSettings, open_store, probe, split_uri

MOST_SKEW_S = 30.0
SOURCES_TRIED = 3
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_CHECKSUMS = ("AWS_REQUEST_CHECKSUM_CALCULATION", "AWS_RESPONSE_CHECKSUM_VALIDATION")


def output_checks(
    out_uri: str, settings: StoreSettings, environment: Mapping[str, str]
) -> list[Check]:
    """Whether a job may work on an output. Writes small objects there and removes them.

    Args:
        out_uri: the output; need not exist.
        settings: of its store.
        environment: of this process, for what programs other than ours read from it.
    """
    try:
        store = open_store(out_uri, settings)
    except (ConfigError, StoreError) as error:
        return [Check("output", "failed", str(error), "give a folder or s3://bucket/prefix")]
    rights = "give the credentials s3:ListBucket, GetObject, PutObject and DeleteObject there"
    checks = [
        guarded("output: list", lambda: check_list(store), rights),
        guarded("output: write", lambda: check_write(store), rights),
        guarded("output: conditional writes", lambda: check_conditions(store), rights),
        guarded("clock", lambda: check_clock(store), "see the checks above"),
    ]
    return [*checks, *check_checksums(out_uri, settings, environment)]


def check_list(store: Store) -> Check:
    """The output can be listed."""
    first = next(iter(store.list()), None)
    what = "is empty" if first is None else "holds objects"
    return Check("output: list", "ok", f"{store.uri} {what}")


def check_write(store: Store) -> Check:
    """Objects can be written, read and deleted, and are gone then."""
    name, key, data = "output: write", f"doctor-{uuid.uuid4().hex}", b"latentsep doctor"
    store.write(key, data)
    try:
        if store.read(key) != data:
            return Check(
                name, "failed", f"{store.uri} does not give back what was written",
                "use another server or a local folder",
            )  # fmt: skip
    finally:
        store.delete([key])
    try:
        store.stat(key)
    except ObjectMissingError:
        return Check(name, "ok", "objects can be written, read and deleted")
    return Check(
        name, "failed", f"{store.uri_of(key)} is still there after it was deleted",
        "allow s3:DeleteObject, and look whether the bucket has an object lock",
    )  # fmt: skip


def check_conditions(store: Store) -> Check:
    """The server keeps to If-None-Match and If-Match."""
    probe(store)
    return Check("output: conditional writes", "ok", "only one of two writers wins")


def check_clock(store: Store) -> Check:
    """This machine's clock against the store's."""
    began_s, before = time.monotonic(), datetime.now(UTC)
    there = store.now()
    halfway_s = (time.monotonic() - began_s) / 2
    skew_s = (there - before).total_seconds() - halfway_s
    what = f"this machine and the store differ by {abs(skew_s):.0f} s"
    if abs(skew_s) > MOST_SKEW_S:
        return Check(
            "clock", "warning", what,
            "set the clock (chrony, ntpd): times in the results would be wrong, and from 15 min "
            "on S3 refuses every request",
        )  # fmt: skip
    return Check("clock", "ok", what)


def check_checksums(
    out_uri: str, settings: StoreSettings, environment: Mapping[str, str]
) -> list[Check]:
    """Readers other than ours on a server other than AWS; nothing to say elsewhere."""
    named = next((environment[name] for name in _ENDPOINTS if environment.get(name)), None)
    endpoint = settings.s3.endpoint_url or named
    if not out_uri.lower().startswith("s3://") or endpoint is None or "amazonaws.com" in endpoint:
        return []
    unset = [n for n in _CHECKSUMS if environment.get(n, "").lower() != "when_required"]
    if not unset:
        return [Check("checksums", "ok", "when_required, as old servers need it")]
    return [
        Check(
            "checksums", "warning",
            "the output is not on AWS; pyarrow and other programs send newer checksums, which old "
            "servers (Ceph 16, Swift 2.30) refuse; latentsep itself does not",
            "where such programs read the output: export "
            + " ".join(f"{name}=when_required" for name in unset),
        )
    ]  # fmt: skip


def manifest_checks(manifest_uri: str, settings: StoreSettings) -> list[Check]:
    """Whether a manifest can be read, and its first sources with it."""
    try:
        manifest = read_manifest(manifest_uri, settings)
    except (ConfigError, StoreError) as error:
        return [Check("manifest", "failed", str(error), "see `latentsep manifest check`")]
    uris = manifest.column("uri").slice(0, SOURCES_TRIED).to_pylist()
    fix = "give the credentials s3:GetObject and ListBucket there, or correct the manifest"
    tried = [guarded("source", partial(check_source, uri, settings), fix) for uri in uris]
    return [Check("manifest", "ok", f"{manifest.num_rows:,} tracks"), *tried]


def check_source(uri: str, settings: StoreSettings) -> Check:
    """The first bytes of one source can be read."""
    store_uri, key = split_uri(uri)
    open_store(store_uri, settings).read_range(key, 0, 16)
    return Check("source", "ok", f"{uri} can be read")
