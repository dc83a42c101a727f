"""Makes boto3 clients: one per process and settings, since each holds a pool of connections."""

import os
from functools import lru_cache
from typing import TYPE_CHECKING

import boto3.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from latentsep.errors import ConfigError
from latentsep.storage.settings import S3Settings

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client


def s3_client(settings: S3Settings) -> "S3Client":
    """The client of this process for these settings.

    Raises:
        ConfigError: the profile does not exist, or boto3's own files or variables are wrong.
    """
    return _client(settings, os.getpid())


def forget_clients() -> None:
    """Drop the clients of this process; the next use reads credentials and variables again."""
    _client.cache_clear()


# Keyed by process: connections must not be shared with a forked child.
@lru_cache(maxsize=8)
def _client(settings: S3Settings, process_id: int) -> "S3Client":
    try:
        session = boto3.session.Session(profile_name=settings.profile)
        return session.client(
            "s3",
            endpoint_url=settings.endpoint_url,
            region_name=settings.region,
            config=_config(settings),
        )
    except (BotoCoreError, ValueError) as error:
        raise ConfigError(f"the S3 client cannot be set up: {error}") from error


def _config(settings: S3Settings) -> Config:
    config = Config(
        connect_timeout=settings.connect_timeout_s,
        read_timeout=settings.read_timeout_s,
        max_pool_connections=settings.connections,
        # Attempts are counted in one place, retry.py: it knows which writes may be repeated.
        retries={"total_max_attempts": 1, "mode": "standard"},
        # By default boto3 sends checksums in a trailer, which older servers (Ceph 16, Swift 2.30)
        # refuse or store as part of the object. Writes carry Content-MD5 instead, which all know.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": settings.addressing_style},
    )
    return config.merge(Config(signature_version=UNSIGNED)) if settings.anonymous else config
