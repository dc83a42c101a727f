"""Settings of the stores: frozen, picklable, without secrets."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt, field_validator

MIB = 1024 * 1024


class RetryPolicy(BaseModel, frozen=True, extra="forbid"):
    """How often and how long one request is tried; full jitter, so that workers do not march.

    Before attempt n + 1 a time is drawn from 0 to ``min(longest_pause_s, first_pause_s * 2**n)``.
    No attempt starts later than ``total_s`` after the first, so one request takes at most
    ``total_s`` plus one attempt.
    """

    attempts: PositiveInt = Field(8, description="requests sent at most, the first included")
    first_pause_s: PositiveFloat = Field(0.2, description="the longest pause after attempt 1")
    longest_pause_s: PositiveFloat = Field(10.0, description="no pause is longer")
    total_s: PositiveFloat = Field(180.0, description="no attempt starts later than this")


class S3Settings(BaseModel, frozen=True, extra="forbid", hide_input_in_errors=True):
    """How an S3 server is spoken to. Credentials are not here: boto3 finds them as it always does.

    ``None`` leaves a value to boto3, that is to ``AWS_ENDPOINT_URL_S3``, ``AWS_ENDPOINT_URL``,
    ``AWS_REGION``, ``AWS_PROFILE`` and ``~/.aws/config``.
    """

    endpoint_url: str | None = Field(None, description="address of a server other than AWS")
    region: str | None = Field(None, description="such as eu-central-1")
    profile: str | None = Field(None, description="profile of ~/.aws/config")
    anonymous: bool = Field(False, description="send no credentials: public buckets")
    addressing_style: Literal["auto", "path", "virtual"] = Field(
        "auto", description="bucket in the path or in the host name; auto suits nearly all servers"
    )
    connections: PositiveInt = Field(
        16, description="kept open per process; more threads reconnect each time"
    )
    connect_timeout_s: PositiveFloat = Field(10.0, description="to open one connection")
    read_timeout_s: PositiveFloat = Field(
        60.0, description="silence of the server before giving up"
    )
    part_bytes: int = Field(16 * MIB, ge=5 * MIB, description="size of one part of an upload")
    retry: RetryPolicy = RetryPolicy()

    @field_validator("endpoint_url")
    @classmethod
    def _has_no_secrets(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.username is not None or parts.password is not None:
            raise ValueError("endpoint_url holds a user or password; give credentials to boto3")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"endpoint_url {url!r} is not like https://host:port")
        return url


class StoreSettings(BaseModel, frozen=True, extra="forbid", hide_input_in_errors=True):
    """One group of settings for each kind of store that has any.

    Errors do not show the input, which may hold a secret put in the wrong place; a model around
    this one has to set ``hide_input_in_errors`` as well.
    """

    s3: S3Settings = S3Settings()
