"""Makes a manifest of all audio files below a folder or bucket."""

import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import PurePosixPath
from urllib.parse import quote

import pyarrow as pa

from latentsep.audio.extensions import AUDIO_EXTENSIONS
from latentsep.audio.header_duration import duration_from_header
from latentsep.catalogue.manifest_formats import write_manifest
from latentsep.catalogue.schema import STEM_NAMES
from latentsep.catalogue.track_ids import track_id_of
from latentsep.errors import InvalidKeyError, ManifestError, StoreError
from latentsep.storage import ObjectInfo, Store, StoreSettings, open_store
from latentsep.storage.uris import is_local, local_path

__all__ = ["BUILT", "build_manifest", "write_manifest"]

READS_AT_ONCE = 32
# An output may lie below the prefix: its stems are no tracks. See ``stem_key``.
_OWN_STEM = re.compile(
    rf"(?:^|/)stems/[0-9a-f]{{2}}/[^/]+/[^/]+/(?:{'|'.join(STEM_NAMES)})\.[a-z0-9]+$"
)
FILES_AHEAD = 1024

BUILT = pa.schema(
    [
        pa.field("track_id", pa.string()),
        pa.field("uri", pa.string()),
        pa.field("duration_s", pa.float64()),
        pa.field("bytes", pa.int64()),
        pa.field("etag", pa.string()),
    ]
)


def build_manifest(
    prefix_uri: str, settings: StoreSettings, on_progress: Callable[[int], None]
) -> pa.Table:
    """A manifest of the audio files below a prefix, told by their endings, sorted by key.

    Hidden files and folders are left out, and so are the stems of earlier jobs. Names that no job
    can use are in it: ``check_manifest`` tells them.

    Durations come from the files' headers; no file is fetched as a whole.

    Args:
        prefix_uri: a folder, or ``s3://bucket/prefix``, which stands for what lies below it.
        settings: of its store.
        on_progress: told how many files were looked at so far.

    Returns:
        ``track_id``, ``uri``, ``duration_s`` (null where the header does not tell), ``bytes``,
        ``etag``.

    Raises:
        ManifestError: there is no such folder, or no audio below it.
        StoreError: the store cannot be listed.
    """
    if is_local(prefix_uri) and not local_path(prefix_uri).is_dir():
        raise ManifestError(f"{prefix_uri} is not a folder; give the folder that holds the audio")
    store = open_store(prefix_uri, _with_connections(settings))
    parts = list(_parts(store, on_progress))
    if not parts:
        endings = ", ".join(sorted(AUDIO_EXTENSIONS))
        raise ManifestError(f"{prefix_uri} holds no audio files; looked for {endings}")
    return pa.Table.from_batches(parts)


def _with_connections(settings: StoreSettings) -> StoreSettings:
    """One kept open for each read at a time."""
    connections = max(READS_AT_ONCE, settings.s3.connections)
    s3 = settings.s3.model_copy(update={"connections": connections})
    return settings.model_copy(update={"s3": s3})


def _parts(store: Store, on_progress: Callable[[int], None]) -> Iterator[pa.RecordBatch]:
    files = (info for info in store.list() if _is_audio(info.key))
    done = 0
    with ThreadPoolExecutor(READS_AT_ONCE) as pool:
        while block := list(islice(files, FILES_AHEAD)):
            durations = []
            for duration_s in pool.map(lambda info: _duration_s(store, info), block):
                durations.append(duration_s)
                on_progress(done + len(durations))
            done += len(block)
            yield _rows(store, block, durations)


def _is_audio(key: str) -> bool:
    # "._song.mp3" and the like hold what other systems keep beside a file, not the audio.
    is_hidden = key.startswith(".") or "/." in key
    is_stem = _OWN_STEM.search(key) is not None
    return not (is_hidden or is_stem) and PurePosixPath(key).suffix.lower() in AUDIO_EXTENSIONS


def _duration_s(store: Store, info: ObjectInfo) -> float | None:
    """Null where the header cannot be read: the job will tell why, for this track alone."""
    try:
        return duration_from_header(
            lambda start, length: store.read_range(info.key, start, length), info.bytes
        )
    except StoreError:
        return None


def _rows(store: Store, files: list[ObjectInfo], durations: list[float | None]) -> pa.RecordBatch:
    uris = [_uri_of(store, info.key) for info in files]
    columns = {
        "track_id": [track_id_of(uri) for uri in uris],
        "uri": uris,
        "duration_s": durations,
        "bytes": [info.bytes for info in files],
        "etag": [info.etag for info in files],
    }
    return pa.RecordBatch.from_pydict(columns, BUILT)


def _uri_of(store: Store, key: str) -> str:
    try:
        return store.uri_of(key)
    except InvalidKeyError:
        # Listed so that it is not lost unseen: the check names it. Names of local files may be no
        # text at all.
        return f"{store.uri}/{quote(os.fsencode(key)) if is_local(store.uri) else key}"
