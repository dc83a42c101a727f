"""Objects behind a URI: local files and S3. The only package that knows a storage SDK."""

from latentsep.storage.base import ObjectInfo, Store, check_key
from latentsep.storage.probe import probe
from latentsep.storage.settings import RetryPolicy, S3Settings, StoreSettings
from latentsep.storage.uris import STORES, open_store, open_uri, split_uri

__all__ = [
    "STORES",
    "ObjectInfo",
    "RetryPolicy",
    "S3Settings",
    "Store",
    "StoreSettings",
    "check_key",
    "open_store",
    "open_uri",
    "probe",
    "split_uri",
]
