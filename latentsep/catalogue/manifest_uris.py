"""URIs as a manifest writes them, made absolute, so that every machine finds the same track."""

import posixpath
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

from latentsep.storage.uris import is_local, local_path, s3_bucket_and_key

_SCHEME = r"^[A-Za-z][A-Za-z0-9+.-]*://"
# Paths that are the same in a URI as on a disk, and that no dot part leads elsewhere.
_PLAIN_PART = r"[A-Za-z0-9_~-][A-Za-z0-9_.~-]*"
_PLAIN_PATH = rf"^/?{_PLAIN_PART}(?:/{_PLAIN_PART})*$"


def base_of(manifest_uri: str) -> str:
    """URI of the folder or prefix that a manifest lies in, without a slash at the end.

    Raises:
        ConfigError: the URI names no object of a store we know.
    """
    if is_local(manifest_uri):
        return local_path(manifest_uri).parent.as_uri().rstrip("/")
    bucket, key = s3_bucket_and_key(manifest_uri)
    prefix = posixpath.dirname(key)
    return f"s3://{bucket}/{prefix}" if prefix else f"s3://{bucket}"


def absolute_uri(path: str, base: str) -> str:
    """URI of what a path in a manifest below ``base`` names.

    Local ``..`` are left to the system, since links change what they mean; on S3 they are resolved
    here. One that would leave the bucket is left as it is, and no store takes it.
    """
    if path.startswith("/"):
        return _file_uri(path)
    if base.startswith("file:"):
        return base + _file_uri(f"/{path}").removeprefix("file://")
    bucket, prefix = s3_bucket_and_key(base)
    key = posixpath.join(prefix, path)
    if {".", ".."} & set(key.split("/")):
        key = posixpath.normpath(key)
    return f"s3://{bucket}/{key}"


def _file_uri(path: str) -> str:
    """What ``Path.as_uri`` gives, ten times as fast for all but the few paths it would change."""
    if "//" in path or "/." in path or path.endswith("/"):
        return Path(path).as_uri()
    return "file://" + quote(path)


def absolute_uris(column: pa.ChunkedArray, base: str) -> pa.ChunkedArray:
    """The column with every path made a URI; URIs, known or not, nulls and empty texts stay."""
    return pa.chunked_array([_absolute(chunk, base) for chunk in column.chunks], pa.string())


def _absolute(texts: pa.Array, base: str) -> pa.Array:
    stays = pc.or_(pc.match_substring_regex(texts, _SCHEME), pc.equal(texts, ""))
    joined = pc.if_else(
        pc.starts_with(texts, "/"),
        pc.binary_join_element_wise("file://", texts, ""),
        pc.binary_join_element_wise(base, texts, "/"),
    )
    is_odd = pc.invert(pc.or_(stays, pc.match_substring_regex(texts, _PLAIN_PATH)))
    is_odd = pc.fill_null(is_odd, fill_value=False)
    odd = [absolute_uri(text, base) for text in texts.filter(is_odd).to_pylist()]
    made = pc.if_else(stays, texts, joined)
    return pc.replace_with_mask(made, is_odd, pa.array(odd, pa.string()))
