"""A bucket, or a prefix in one, as a store."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from io import BufferedReader
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from botocore.exceptions import ClientError

from latentsep.errors import (
    AccessDeniedError,
    ObjectChangedError,
    ObjectExistsError,
    ObjectMissingError,
    StoreError,
)
from latentsep.storage.base import OWN_PREFIX, ObjectInfo, check_key, check_prefix, is_own_name
from latentsep.storage.range_reader import RangeReader
from latentsep.storage.s3_errors import PastEndError, reply_date
from latentsep.storage.s3_requests import (
    S3Requests,
    byte_range,
    content_md5,
    part_of_body,
    plain_etag,
    whole_body,
)
from latentsep.storage.s3_upload import S3Upload
from latentsep.storage.settings import S3Settings

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client
    from types_boto3_s3.type_defs import ListObjectsV2OutputTypeDef, ObjectIdentifierTypeDef

logger = logging.getLogger(__name__)
DELETED_AT_ONCE = 1000
BUFFER_BYTES = 64 * 1024


@dataclass(frozen=True)
class S3Store:
    """Objects of a bucket below a prefix, through boto3. See ``Store``.

    Can be pickled: it holds no connection and no credentials.
    """

    bucket: str
    prefix: str = ""
    settings: S3Settings = field(default_factory=S3Settings)

    def __post_init__(self) -> None:
        if self.prefix:
            check_key(self.prefix)

    @property
    def uri(self) -> str:
        """``s3://bucket/prefix``."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def uri_of(self, key: str) -> str:
        """``s3://`` URI of one object."""
        return f"{self.uri}/{check_key(key)}"

    def read(self, key: str) -> bytes:
        """The whole object."""
        uri, name = self.uri_of(key), self._name(key)
        return self._requests.send(
            uri, lambda: whole_body(self._client.get_object(Bucket=self.bucket, Key=name))
        )

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """Part of the object, see ``Store.read_range``."""
        if start < 0 or length < 0:
            raise ValueError(f"start and length must be >= 0, got {start} and {length}")
        uri, name, wanted = self.uri_of(key), self._name(key), byte_range(start, length)
        if length == 0:
            return b""
        with suppress(PastEndError):
            return self._requests.send(uri, lambda: part_of_body(
                self._client.get_object(Bucket=self.bucket, Key=name, Range=wanted), uri
            ))  # fmt: skip
        return b""

    def open(self, key: str) -> BinaryIO:
        """Reader by range requests, each on the condition that the object is still the same."""
        info, uri, name = self.stat(key), self.uri_of(key), self._name(key)

        def fetch(start: int, length: int) -> bytes:
            wanted = byte_range(start, length)
            return self._requests.send(uri, lambda: part_of_body(self._client.get_object(
                Bucket=self.bucket, Key=name, Range=wanted, IfMatch=info.etag
            ), uri))  # fmt: skip

        return BufferedReader(RangeReader(uri, info.bytes, fetch), BUFFER_BYTES)

    def write(self, key: str, data: bytes) -> str:
        """Create or replace the object in one request."""
        return self._upload(key).put(data)

    def create(self, key: str, data: bytes) -> str:
        """Create the object with If-None-Match."""
        uri, name, md5 = self.uri_of(key), self._name(key), content_md5(data)
        try:
            reply = self._requests.send_in_doubt(uri, lambda: self._client.put_object(
                Bucket=self.bucket, Key=name, Body=data, ContentMD5=md5, IfNoneMatch="*"
            ))  # fmt: skip
        except ObjectChangedError as error:
            raise ObjectExistsError(f"{uri}: exists already") from error
        return plain_etag(reply["ETag"])

    def replace_if(self, key: str, data: bytes, etag: str) -> str:
        """Replace the object with If-Match."""
        uri, name, md5 = self.uri_of(key), self._name(key), content_md5(data)
        try:
            reply = self._requests.send_in_doubt(uri, lambda: self._client.put_object(
                Bucket=self.bucket, Key=name, Body=data, ContentMD5=md5, IfMatch=plain_etag(etag)
            ))  # fmt: skip
        except ObjectMissingError as error:
            raise ObjectChangedError(f"{uri}: is gone") from error
        return plain_etag(reply["ETag"])

    def upload(self, key: str, path: Path) -> None:
        """Upload a file, in parts where it is larger than one."""
        self._upload(key).run(path)

    def stat(self, key: str) -> ObjectInfo:
        """Size, etag and time of one object."""
        name = self._name(key)
        reply = self._requests.send(
            self.uri_of(key), lambda: self._client.head_object(Bucket=self.bucket, Key=name)
        )
        return _info(key, reply["ContentLength"], reply["ETag"], reply["LastModified"])

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Objects below the prefix, sorted; one page of 1,000 is in memory. See ``Store.list``."""
        start = self._name("") + check_prefix(prefix)
        last = b""
        for page in self._pages(start):
            for entry in page.get("Contents", []):
                key = entry["Key"].removeprefix(self._name(""))
                if key.encode() < last:
                    raise StoreError(f"{self.uri}: the server lists keys in no order, at {key!r}")
                last = key.encode()
                if not key.endswith("/") and not is_own_name(key):
                    yield _info(key, entry["Size"], entry["ETag"], entry["LastModified"])

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects, a thousand per request where the server can."""
        names = (self._name(check_key(key)) for key in keys)
        while batch := list(islice(names, DELETED_AT_ONCE)):
            for name in self._delete_at_once(batch):
                self._delete_one(name)

    def now(self) -> datetime:
        """The Date header of a reply; that there is no such object does not matter."""
        name = self._name(f"{OWN_PREFIX}clock")
        return self._requests.send(self.uri, lambda: _reply_time(self._client, self.bucket, name))

    @property
    def _requests(self) -> S3Requests:
        return S3Requests(self.settings)

    @property
    def _client(self) -> "S3Client":
        return self._requests.client

    def _name(self, key: str) -> str:
        """Key in the bucket."""
        return f"{self.prefix}/{key}" if self.prefix else key

    def _upload(self, key: str) -> S3Upload:
        return S3Upload(self._requests, self.bucket, self._name(key), self.uri_of(key))

    def _pages(self, start: str) -> "Iterator[ListObjectsV2OutputTypeDef]":
        client, bucket = self._client, self.bucket
        page = self._requests.send(
            self.uri, lambda: client.list_objects_v2(Bucket=bucket, Prefix=start)
        )
        yield page
        while token := page.get("NextContinuationToken"):
            page = self._next_page(start, token)
            yield page

    def _next_page(self, start: str, token: str) -> "ListObjectsV2OutputTypeDef":
        return self._requests.send(self.uri, lambda: self._client.list_objects_v2(
            Bucket=self.bucket, Prefix=start, ContinuationToken=token
        ))  # fmt: skip

    def _delete_at_once(self, names: Sequence[str]) -> Sequence[str]:
        """Delete in one request; returns the names that have to be deleted one by one."""
        objects: Sequence[ObjectIdentifierTypeDef] = [{"Key": name} for name in names]
        try:
            reply = self._requests.send(self.uri, lambda: self._client.delete_objects(
                Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True}
            ))  # fmt: skip
        except AccessDeniedError:
            raise
        except StoreError as error:
            if error.retryable:
                raise
            # Old servers demand Content-MD5 for this request alone, which boto3 does not send.
            logger.info("event=delete_one_by_one store=%s reason=%s", self.uri, error)
            return names
        return [failed["Key"] for failed in reply.get("Errors", [])]

    def _delete_one(self, name: str) -> None:
        with suppress(ObjectMissingError):
            self._requests.send(
                f"s3://{self.bucket}/{name}",
                lambda: self._client.delete_object(Bucket=self.bucket, Key=name),
            )


def _info(key: str, size: int, etag: str, modified_at: datetime) -> ObjectInfo:
    """Times to the second: some servers tell the rest in listings alone."""
    return ObjectInfo(key, size, plain_etag(etag), modified_at.replace(microsecond=0))


def _reply_time(client: "S3Client", bucket: str, name: str) -> datetime:
    try:
        reply = client.head_object(Bucket=bucket, Key=name)
        date = reply["ResponseMetadata"]["HTTPHeaders"]["date"]
    except ClientError as error:
        found = reply_date(error)
        if found is None:
            raise
        date = found
    return parsedate_to_datetime(date)
