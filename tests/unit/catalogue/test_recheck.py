import os

import pyarrow as pa
import pytest

from latentsep.catalogue import recheck
from latentsep.catalogue.recheck import ChangedSource, changed_sources
from latentsep.errors import ConfigError
from latentsep.storage import StoreSettings, open_store


@pytest.fixture
def sources(tmp_path):
    """Three sources, and the rows of their results."""
    store = open_store(str(tmp_path))
    rows = []
    for name in ("a", "b", "c"):
        etag = store.write(f"{name}.wav", name.encode())
        uri = store.uri_of(f"{name}.wav")
        rows.append({"track_id": name, "uri": uri, "source_etag": etag})
    return pa.Table.from_pylist(rows)


def changed(finished, on_done=lambda done: None):
    return list(changed_sources(finished, StoreSettings(), on_done))


def test_sources_that_are_the_same_are_not_told(sources):
    assert changed(sources) == []


def test_a_replaced_a_touched_and_a_missing_source_are_told(sources, tmp_path):
    (tmp_path / "a.wav").write_bytes(b"another song")
    os.utime(tmp_path / "b.wav", (1, 1))
    (tmp_path / "c.wav").unlink()
    uris = sources.column("uri").to_pylist()
    assert changed(sources) == [
        ChangedSource("a", uris[0], is_missing=False),
        ChangedSource("b", uris[1], is_missing=False),
        ChangedSource("c", uris[2], is_missing=True),
    ]


def test_progress_counts_all_that_were_asked(sources, monkeypatch):
    monkeypatch.setattr(recheck, "AHEAD", 2)
    told = []
    changed(sources, told.append)
    assert told == [2, 3]


def test_no_rows_ask_nothing(sources):
    told = []
    assert changed(sources.slice(0, 0), told.append) == []
    assert told == []


def test_a_source_whose_store_nobody_knows_is_an_error(sources):
    row = {"track_id": "x", "uri": "gs://bucket/x.wav", "source_etag": "1"}
    with pytest.raises(ConfigError, match="gs"):
        changed(pa.Table.from_pylist([row]))
