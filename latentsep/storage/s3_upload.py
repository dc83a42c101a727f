"""Uploads one file to S3, in parts where it is large; nothing is visible before the last one."""

import hashlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from latentsep.errors import CommitStateUnknownError, ObjectMissingError, StoreError
from latentsep.storage.local_errors import explained
from latentsep.storage.s3_requests import S3Requests, content_md5, plain_etag
from latentsep.storage.settings import MIB

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import CompletedPartTypeDef

logger = logging.getLogger(__name__)
MOST_PARTS = 10_000


@dataclass(frozen=True)
class S3Upload:
    """Upload to one place; one part is in memory at a time.

    A failure, an interrupt included, aborts the upload on the server. A killed process cannot: a
    lifecycle rule of the bucket (AbortIncompleteMultipartUpload) removes what it leaves.
    """

    requests: S3Requests
    bucket: str
    name: str
    uri: str

    def run(self, path: Path) -> None:
        """Upload the file.

        Raises:
            StoreError: the file cannot be read, changed meanwhile, or the server said no.
        """
        with explained(str(path)), path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            part_bytes = part_size(size, self.requests.settings.part_bytes)
            pieces = _pieces(file, size, part_bytes)
            if size <= part_bytes:
                self.put(b"".join(pieces))
            else:
                self._in_parts(pieces)

    def put(self, data: bytes) -> str:
        """Write the object in one request; returns its etag."""
        md5 = content_md5(data)
        reply = self.requests.send(self.uri, lambda: self.requests.client.put_object(
            Bucket=self.bucket, Key=self.name, Body=data, ContentMD5=md5
        ))  # fmt: skip
        return plain_etag(reply["ETag"])

    def _in_parts(self, pieces: Iterator[bytes]) -> None:
        upload_id = self.requests.send(
            self.uri,
            lambda: self.requests.client.create_multipart_upload(Bucket=self.bucket, Key=self.name),
        )["UploadId"]
        try:
            parts = [self._part(upload_id, number, data) for number, data in enumerate(pieces, 1)]
            self._complete(upload_id, parts)
        except BaseException:
            self._abort(upload_id)
            raise

    def _part(self, upload_id: str, number: int, data: bytes) -> "CompletedPartTypeDef":
        md5 = content_md5(data)
        reply = self.requests.send(self.uri, lambda: self.requests.client.upload_part(
            Bucket=self.bucket, Key=self.name, UploadId=upload_id, PartNumber=number, Body=data,
            ContentMD5=md5,
        ))  # fmt: skip
        return {"PartNumber": number, "ETag": reply["ETag"]}

    def _complete(self, upload_id: str, parts: "list[CompletedPartTypeDef]") -> None:
        """Publish; a lost reply is settled by looking, since the upload's id is gone afterwards."""
        try:
            self.requests.send_in_doubt(self.uri, lambda: (
                self.requests.client.complete_multipart_upload(
                    Bucket=self.bucket, Key=self.name, UploadId=upload_id,
                    MultipartUpload={"Parts": parts},
                )
            ))  # fmt: skip
        except CommitStateUnknownError as error:
            if self._etag() != etag_of_parts([part["ETag"] for part in parts]):
                message = f"{self.uri}: the end of an upload got no reply; upload it again"
                raise StoreError(message, retryable=True) from error

    def _etag(self) -> str | None:
        try:
            reply = self.requests.send(self.uri, lambda: self.requests.client.head_object(
                Bucket=self.bucket, Key=self.name
            ))  # fmt: skip
        except ObjectMissingError:
            return None
        return plain_etag(reply["ETag"])

    def _abort(self, upload_id: str) -> None:
        try:
            self.requests.send(self.uri, lambda: self.requests.client.abort_multipart_upload(
                Bucket=self.bucket, Key=self.name, UploadId=upload_id
            ))  # fmt: skip
        except StoreError as error:
            logger.warning("event=upload_not_aborted uri=%s reason=%s", self.uri, error)


def part_size(size: int, part_bytes: int) -> int:
    """``part_bytes``, or so many whole MiB that the file has at most 10,000 parts."""
    needed = -(-size // MOST_PARTS)
    return part_bytes if needed <= part_bytes else -(-needed // MIB) * MIB


def etag_of_parts(etags: list[str]) -> str:
    """ETag of an object made of parts: MD5 over the parts' binary MD5, and their count.

    With some kinds of encryption the server has another one; then nothing equals this.
    """
    digests = b"".join(bytes.fromhex(plain_etag(etag)) for etag in etags)
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(etags)}"


def _pieces(file: BinaryIO, size: int, part_bytes: int) -> Iterator[bytes]:
    left = size
    while left > 0:
        piece = file.read(min(part_bytes, left))
        if not piece:
            raise StoreError(f"{file.name}: became shorter while it was uploaded")
        left -= len(piece)
        yield piece
