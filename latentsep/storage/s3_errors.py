"""What the errors of boto3 mean for a store. Messages hold codes, never what a server wrote.

A server's own text may quote the request, and with it what belongs in no log.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import urllib3.exceptions
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from latentsep.errors import (
    AccessDeniedError,
    ObjectChangedError,
    ObjectMissingError,
    StoreError,
    WriteConflictError,
)
from latentsep.storage.retry import Fault, RequestFailedError

_NO_CREDENTIALS = (
    boto.NoCredentialsError, boto.PartialCredentialsError, boto.NoAuthTokenError,
    boto.TokenRetrievalError,
)  # fmt: skip
_NEVER_SENT = (boto.EndpointConnectionError, boto.ConnectTimeoutError, boto.ProxyConnectionError)
_MAYBE_SENT = (
    boto.HTTPClientError, boto.ConnectionError, boto.IncompleteReadError, ResponseParserError,
    urllib3.exceptions.HTTPError,
)  # fmt: skip
_THROTTLED = {
    "SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests",
    "RequestThrottled", "BandwidthLimitExceeded", "ServiceUnavailable", "RequestTimeout",
}  # fmt: skip
_WRONG_CREDENTIALS = {
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken",
    "TokenRefreshRequired", "InvalidSecurity", "NotSignedUp", "AccountProblem",
}  # fmt: skip
_DAMAGED = {"BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch"}
_WRONG_REGION = {
    "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException",
    "301",
}  # fmt: skip


class PastEndError(StoreError):
    """The range starts behind the object's last byte."""


@contextmanager
def s3_faults(uri: str) -> Iterator[None]:
    """Turn boto3's errors of one request into ``RequestFailedError``."""
    try:
        yield
    except boto.ClientError as error:
        raise RequestFailedError(_from_reply(error, uri)) from error
    except (boto.BotoCoreError, ResponseParserError, urllib3.exceptions.HTTPError) as error:
        raise RequestFailedError(_without_reply(error, uri)) from error


def reply_date(error: boto.ClientError) -> str | None:
    """The Date header of an error of the store; a failing proxy may have another clock."""
    metadata: dict[str, Any] = dict(error.response.get("ResponseMetadata", {}))
    if metadata.get("HTTPStatusCode", 500) >= 500:
        return None
    date = metadata.get("HTTPHeaders", {}).get("date")
    return str(date) if date else None


def _from_reply(error: boto.ClientError, uri: str) -> Fault:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    named = _BY_CODE.get(code)
    if named is not None:
        return named(uri, code)
    if code in _THROTTLED or status == 429:
        return _throttled(uri, code)
    by_status = _BY_STATUS.get(status)
    if by_status is not None:
        return by_status(uri, code)
    if status >= 500:
        return _broken_server(uri, code)
    return Fault(StoreError(f"{uri}: the server refuses the request: {code or status}"))


def _without_reply(error: Exception, uri: str) -> Fault:
    name = type(error).__name__
    if isinstance(error, _NO_CREDENTIALS):
        return Fault(AccessDeniedError(
            f"{uri}: no complete credentials found ({name}); set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role"
        ))  # fmt: skip
    if isinstance(error, boto.CredentialRetrievalError):
        message = f"{uri}: the source of the credentials failed ({name})"
        return Fault(AccessDeniedError(message, retryable=True), again=True)
    if isinstance(error, boto.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return Fault(StoreError(
            f"{uri}: the server's certificate cannot be verified; set AWS_CA_BUNDLE"
        ))  # fmt: skip
    if isinstance(error, _NEVER_SENT):
        message = f"{uri}: the server cannot be reached ({name}); check the endpoint's address"
        return Fault(StoreError(message, retryable=True), again=True)
    if isinstance(error, _MAYBE_SENT):
        what = "did not reply in time" if isinstance(error, boto.ReadTimeoutError) else "broke off"
        message = f"{uri}: the server {what} ({name})"
        return Fault(StoreError(message, retryable=True), again=True, in_doubt=True)
    return Fault(StoreError(f"{uri}: the request cannot be made ({name}: {error})"))


def _damaged(uri: str, code: str) -> Fault:
    error = StoreError(
        f"{uri}: the bytes did not arrive as they were sent ({code})", retryable=True
    )
    return Fault(error, again=True)


def _missing(uri: str, code: str) -> Fault:
    return Fault(ObjectMissingError(f"{uri}: no such object, or no such bucket ({code})"))


def _no_bucket(uri: str, code: str) -> Fault:
    return Fault(StoreError(f"{uri}: the bucket does not exist ({code}); make it, or correct it"))


def _denied(uri: str, code: str) -> Fault:
    return Fault(AccessDeniedError(
        f"{uri}: access denied ({code}); give the key permission to list, read and write there"
    ))  # fmt: skip


def _wrong_credentials(uri: str, code: str) -> Fault:
    return Fault(AccessDeniedError(
        f"{uri}: the server does not accept the credentials ({code}); check access key, secret "
        "key, session token and region"
    ))  # fmt: skip


def _skewed(uri: str, code: str) -> Fault:
    return Fault(AccessDeniedError(
        f"{uri}: this machine's clock is more than 15 minutes off ({code}); set it"
    ))  # fmt: skip


def _wrong_region(uri: str, code: str) -> Fault:
    return Fault(StoreError(f"{uri}: the bucket is in another region ({code}); set AWS_REGION"))


def _archived(uri: str, code: str) -> Fault:
    return Fault(StoreError(f"{uri}: the object is archived ({code}); restore it first"))


def _changed(uri: str, code: str) -> Fault:
    return Fault(ObjectChangedError(f"{uri}: the object is not the expected one ({code})"))


def _past_end(uri: str, code: str) -> Fault:
    return Fault(PastEndError(f"{uri}: the range starts behind the last byte ({code})"))


def _aborted(uri: str, code: str) -> Fault:
    message = f"{uri}: the upload was ended by somebody else ({code}); upload it again"
    return Fault(StoreError(message, retryable=True))


def _conflict(uri: str, code: str) -> Fault:
    error = WriteConflictError(f"{uri}: writers collided and nothing was written ({code})")
    return Fault(error, again=True)


def _not_implemented(uri: str, code: str) -> Fault:
    return Fault(StoreError(
        f"{uri}: the server does not know this request ({code}); outputs need a server with "
        "conditional puts (If-None-Match, If-Match)"
    ))  # fmt: skip


def _throttled(uri: str, code: str) -> Fault:
    return Fault(
        StoreError(f"{uri}: the server is throttling ({code})", retryable=True), again=True
    )


def _broken_server(uri: str, code: str) -> Fault:
    """A fault of the server, or of a proxy before it: a write may have been carried out first."""
    error = StoreError(f"{uri}: the server failed ({code})", retryable=True)
    return Fault(error, again=True, in_doubt=True)


_BY_CODE: dict[str, Callable[[str, str], Fault]] = {
    **dict.fromkeys(_WRONG_CREDENTIALS, _wrong_credentials),
    **dict.fromkeys(_WRONG_REGION, _wrong_region),
    **dict.fromkeys(_DAMAGED, _damaged),
    "NoSuchBucket": _no_bucket,
    "NoSuchUpload": _aborted,
    "RequestTimeTooSkewed": _skewed,
    "InvalidObjectState": _archived,
}
_BY_STATUS: dict[int, Callable[[str, str], Fault]] = {
    401: _wrong_credentials, 403: _denied, 404: _missing, 409: _conflict, 412: _changed,
    416: _past_end, 501: _not_implemented,
}  # fmt: skip
