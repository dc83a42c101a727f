"""From a URI to a store, and to one object in it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

from latentsep.errors import ConfigError
from latentsep.storage.base import Store, check_key
from latentsep.storage.settings import StoreSettings

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")


def _open_local(uri: str, settings: StoreSettings) -> Store:
    from latentsep.storage.local import LocalStore

    return LocalStore(local_path(uri))


def _open_s3(uri: str, settings: StoreSettings) -> Store:
    from latentsep.storage.s3 import S3Store

    bucket, prefix = s3_bucket_and_key(uri)
    return S3Store(bucket, prefix.rstrip("/"), settings.s3)


STORES: dict[str, Callable[[str, StoreSettings], Store]] = {"file": _open_local, "s3": _open_s3}
"""Opens a store for each URI scheme; a plain path counts as ``file``. Another store is one line."""


def open_store(uri: str, settings: StoreSettings | None = None) -> Store:
    """The store of ``s3://bucket/prefix``, ``file:///path`` or a plain path. Asks nothing yet.

    Raises:
        ConfigError: the scheme is not supported, or the URI names no place.
        InvalidKeyError: the prefix is not a valid key.
    """
    return STORES[_scheme(uri)](uri, settings or StoreSettings())


def split_uri(uri: str) -> tuple[str, str]:
    """Split the URI of one object into a URI for ``open_store`` and a key.

    On S3 the store is the whole bucket, so that objects of one bucket share one store; locally it
    is the file's folder.

    Raises:
        ConfigError: the scheme is not supported, or the URI names no object.
        InvalidKeyError: the key is not valid.
    """
    if _scheme(uri) == "s3":
        bucket, key = s3_bucket_and_key(uri)
        return f"s3://{bucket}", check_key(key)
    path = local_path(uri)
    return path.parent.as_uri(), check_key(path.name)


def open_uri(uri: str, settings: StoreSettings | None = None) -> BinaryIO:
    """Open one object for reading, see ``Store.open``.

    Raises:
        ConfigError: see ``split_uri``.
        StoreError: see ``Store.open``.
    """
    store_uri, key = split_uri(uri)
    return open_store(store_uri, settings).open(key)


def is_local(uri: str) -> bool:
    """Whether a URI is a path of this machine.

    Raises:
        ConfigError: the scheme is not supported.
    """
    return _scheme(uri) == "file"


def local_path(uri: str) -> Path:
    """Absolute path of a plain path or ``file://`` URI.

    Raises:
        ConfigError: the URI is empty, has NUL, or names a host.
    """
    path = uri
    if _SCHEME.match(uri):
        host, slash, rest = uri.partition("://")[2].partition("/")
        if host not in ("", "localhost"):
            raise ConfigError(f"{uri}: host {host!r} in a file URI; write file:///path")
        path = slash + unquote(rest)
    if not path or "\0" in path:
        raise ConfigError(f"{uri!r} names no file or folder")
    return Path(path).absolute()


def s3_bucket_and_key(uri: str) -> tuple[str, str]:
    """Split ``s3://bucket/key``; the key is taken as it is, nothing is percent-decoded.

    Raises:
        ConfigError: there is no bucket name, or it has characters that bucket names cannot have.
    """
    bucket, _, key = uri.partition("://")[2].partition("/")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}", bucket):
        raise ConfigError(f"{uri!r}: {bucket!r} is no bucket name; write s3://bucket/prefix")
    return bucket, key


def _scheme(uri: str) -> str:
    match = _SCHEME.match(uri)
    scheme = match[1].lower() if match else "file"
    if scheme not in STORES:
        allowed = ", ".join(f"{name}://" for name in STORES)
        raise ConfigError(
            f"{uri}: scheme {scheme!r} is not supported, only {allowed} and paths are"
        )
    return scheme
