"""Objects below ``stems/``: whose they are, and which of them a row names."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import unquote

from latentsep.catalogue.track_ids import fan_out
from latentsep.storage.base import ObjectInfo, Store

STEMS_PREFIX = "stems/"
_PARTS = 5


@dataclass(frozen=True)
class StemPlace:
    """Whose object a key below ``stems/`` is."""

    track_id: str
    attempt: str


def place_of(key: str) -> StemPlace | None:
    """What a key says; None for one that no job would write."""
    parts = key.split("/")
    if len(parts) != _PARTS or parts[0] + "/" != STEMS_PREFIX or parts[1] != fan_out(parts[2]):
        return None
    return StemPlace(parts[2], parts[3])


def key_in_output(uri: str) -> str:
    """Key of a stem from the URI in its row, also after the output was moved."""
    path = unquote(uri) if uri.startswith("file:") else uri
    return "/".join(path.split("/")[-_PARTS:])


def stem_prefix(track_id: str) -> str:
    """What the keys of all attempts of a track start with."""
    return f"{STEMS_PREFIX}{fan_out(track_id)}/{track_id}/"


def objects_by_fan_out(store: Store) -> Iterator[tuple[str, list[ObjectInfo]]]:
    """All objects below ``stems/``, one of the 256 folders at a time.

    Raises:
        StoreError: they cannot be listed.
    """
    listing = store.list(STEMS_PREFIX)
    for name, objects in groupby(listing, lambda info: info.key.split("/")[1]):
        yield name, list(objects)
