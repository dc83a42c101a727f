import io
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from latentsep.catalogue.manifest import read_manifest
from latentsep.catalogue.manifest_build import build_manifest, write_manifest
from latentsep.catalogue.manifest_check import check_manifest
from latentsep.catalogue.track_ids import stem_key, track_id_of
from latentsep.errors import ManifestError, ObjectMissingError
from latentsep.storage import StoreSettings, open_store, open_uri
from latentsep.storage.local import LocalStore

SETTINGS = StoreSettings()


def sound(seconds=1.0, container="WAV"):
    file = io.BytesIO()
    soundfile.write(file, np.zeros(round(8_000 * seconds)), 8_000, format=container)
    return file.getvalue()


def told_nothing(done):
    pass


@pytest.fixture
def folder(tmp_path):
    store = open_store(str(tmp_path / "audio"), SETTINGS)
    store.write("b.wav", sound(2))
    store.write("a/ü x.FLAC", sound(1.5, "FLAC"))
    store.write("a/notes.txt", b"none")
    store.write("broken.mp3", b"not audio")
    store.write("empty.ogg", b"")
    store.write("._b.wav", sound())
    store.write(stem_key("b", "0f", "vocals", "flac"), sound(1, "FLAC"))
    return tmp_path / "audio"


def test_a_folder_becomes_a_manifest_of_its_audio(folder):
    table = build_manifest(str(folder), SETTINGS, told_nothing)
    assert table.column_names == ["track_id", "uri", "duration_s", "bytes", "etag"]
    names = ["a/ü x.FLAC", "b.wav", "broken.mp3", "empty.ogg"]
    assert table["uri"].to_pylist() == [(folder / name).as_uri() for name in names]
    assert table["duration_s"].to_pylist() == [1.5, 2.0, None, None]
    assert table["bytes"].to_pylist() == [(folder / name).stat().st_size for name in names]
    store = LocalStore(folder)
    assert table["etag"].to_pylist() == [store.stat(name).etag for name in names]
    assert table["track_id"].to_pylist() == [track_id_of(uri) for uri in table["uri"].to_pylist()]


def test_uris_of_a_manifest_open_the_files(folder):
    for row in build_manifest(str(folder), SETTINGS, told_nothing).to_pylist():
        with open_uri(row["uri"], SETTINGS) as file:
            assert len(file.read()) == row["bytes"]


def test_progress_counts_to_the_number_of_files(folder):
    told = []
    build_manifest(str(folder), SETTINGS, told.append)
    assert told == [1, 2, 3, 4]


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".jsonl"])
def test_what_was_written_is_read_back(folder, tmp_path, ending):
    table = build_manifest(str(folder), SETTINGS, told_nothing)
    uri = str(tmp_path / f"deep/m{ending}")
    write_manifest(table, uri, SETTINGS)
    again = read_manifest(uri, SETTINGS)
    for name in ("track_id", "uri", "duration_s"):
        assert again[name].to_pylist() == table[name].to_pylist()
    assert [str(size) for size in again["bytes"].to_pylist()] == [
        str(size) for size in table["bytes"].to_pylist()
    ]


def test_an_unknown_ending_is_refused(folder, tmp_path):
    table = build_manifest(str(folder), SETTINGS, told_nothing)
    with pytest.raises(ManifestError, match=r"m\.xlsx"):
        write_manifest(table, str(tmp_path / "m.xlsx"), SETTINGS)


@pytest.mark.parametrize("name", ["gone", "b.wav"])
def test_what_is_no_folder_is_refused(folder, name):
    with pytest.raises(ManifestError, match="not a folder"):
        build_manifest(str(folder / name), SETTINGS, told_nothing)


def test_a_folder_without_audio_is_refused(tmp_path):
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(ManifestError, match="no audio"):
        build_manifest(str(tmp_path), SETTINGS, told_nothing)


def test_a_file_that_vanishes_meanwhile_has_no_length(folder, monkeypatch):
    def gone(self, key, start, length):
        raise ObjectMissingError(f"{key}: gone")

    monkeypatch.setattr(LocalStore, "read_range", gone)
    table = build_manifest(str(folder), SETTINGS, told_nothing)
    assert table["duration_s"].to_pylist() == [None] * 4


def test_hidden_folders_are_left_out(folder):
    (folder / ".trash").mkdir()
    (folder / ".trash/x.wav").write_bytes(sound())
    assert build_manifest(str(folder), SETTINGS, told_nothing).num_rows == 4


def test_names_that_no_job_can_use_are_in_it_and_are_told_by_the_check(folder):
    for name in (b"\xff.wav", b"back\\slash.wav", b"new\nline.wav"):
        Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_bytes(sound())  # noqa: PTH118
    table = build_manifest(str(folder), SETTINGS, told_nothing)
    assert table.num_rows == 7
    assert len(check_manifest(table)) == 3
    assert any("not UTF-8" in problem for problem in check_manifest(table))


def test_a_prefix_on_s3_becomes_a_manifest_on_s3(moto_prefix, moto_settings):
    store = open_store(moto_prefix, moto_settings)
    store.write("audio/b.wav", sound(2))
    store.write("audio/a b.wav", sound(1))
    store.write("audio-not/c.wav", sound(1))
    table = build_manifest(f"{moto_prefix}/audio", moto_settings, told_nothing)
    assert table["uri"].to_pylist() == [
        f"{moto_prefix}/audio/a b.wav", f"{moto_prefix}/audio/b.wav"
    ]  # fmt: skip
    assert table["duration_s"].to_pylist() == [1.0, 2.0]
    write_manifest(table, f"{moto_prefix}/m.parquet", moto_settings)
    assert read_manifest(f"{moto_prefix}/m.parquet", moto_settings).equals(table)
