"""Sends requests to S3 with retries, and the small parts that all requests share."""

import base64
import hashlib
import random
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from latentsep.errors import StoreError
from latentsep.storage.retry import with_retries, with_retries_in_doubt
from latentsep.storage.s3_client import s3_client
from latentsep.storage.s3_errors import s3_faults
from latentsep.storage.settings import S3Settings

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client
    from types_boto3_s3.type_defs import GetObjectOutputTypeDef

Result = TypeVar("Result")
# The system's source: forked workers would otherwise draw the same pauses.
_JITTER = random.SystemRandom()


@dataclass(frozen=True)
class S3Requests:
    """The client of these settings, and their retries around single requests.

    Holds no connection and no credentials itself, so it can be pickled; the client is shared by
    all users of equal settings in a process.
    """

    settings: S3Settings

    @property
    def client(self) -> "S3Client":
        """The boto3 client."""
        return s3_client(self.settings)

    def send(self, uri: str, request: Callable[[], Result]) -> Result:
        """Send a request that may be repeated; ``uri`` is what messages call its object."""
        return with_retries(_with_faults(uri, request), self.settings.retry, _JITTER)

    def send_in_doubt(self, uri: str, request: Callable[[], Result]) -> Result:
        """Send one that must not be repeated blindly, see ``with_retries_in_doubt``."""
        return with_retries_in_doubt(_with_faults(uri, request), self.settings.retry, _JITTER)


def whole_body(reply: "GetObjectOutputTypeDef") -> bytes:
    """The bytes of a reply; the connection goes back whether or not they come."""
    with closing(reply["Body"]) as body:
        return body.read()


def part_of_body(reply: "GetObjectOutputTypeDef", uri: str) -> bytes:
    """The bytes of a range request; a server that ignores the range would send hours of audio.

    Raises:
        StoreError: the reply is no range.
    """
    if "content-range" not in reply["ResponseMetadata"]["HTTPHeaders"]:
        reply["Body"].close()
        raise StoreError(f"{uri}: the server ignores range requests")
    return whole_body(reply)


def byte_range(start: int, length: int) -> str:
    """Range header; both ends are included."""
    return f"bytes={start}-{start + length - 1}"


def plain_etag(text: str) -> str:
    """ETag without quotes: radosgw refuses the current ETag in the quotes that boto3 gives."""
    return text.strip('"')


def content_md5(data: bytes) -> str:
    """Content-MD5 header: the server refuses what was damaged on the way."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def _with_faults(uri: str, request: Callable[[], Result]) -> Callable[[], Result]:
    def attempt() -> Result:
        with s3_faults(uri):
            return request()

    return attempt
