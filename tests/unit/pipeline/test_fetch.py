import hashlib
import os

import pytest

from latentsep.errors import ObjectMissingError, SourceChangedError
from latentsep.pipeline.fetch import fetched
from latentsep.storage import StoreSettings


def test_a_local_file_is_used_in_place(tmp_path):
    song = tmp_path / "a b.wav"
    song.write_bytes(b"abc" * 1_000_000)
    with fetched(song.as_uri(), StoreSettings(), tmp_path / "nowhere") as source:
        assert source.file.path == song
        assert source.file.name == song.as_uri()
        assert source.bytes == 3_000_000
        assert source.sha256 == hashlib.sha256(song.read_bytes()).hexdigest()
    assert song.exists()


def test_a_local_file_that_changes_meanwhile_is_noticed(tmp_path):
    song = tmp_path / "song.wav"
    song.write_bytes(b"abc")
    with (
        pytest.raises(SourceChangedError, match=r"song\.wav: was replaced"),
        fetched(str(song), StoreSettings(), tmp_path),
    ):
        os.utime(song, ns=(1, 1))


def _touch_and_fail(song, folder):
    with fetched(str(song), StoreSettings(), folder):
        os.utime(song, ns=(1, 1))
        raise KeyError


def test_an_error_of_the_work_is_not_hidden_by_the_check(tmp_path):
    song = tmp_path / "song.wav"
    song.write_bytes(b"abc")
    with pytest.raises(KeyError):
        _touch_and_fail(song, tmp_path)


def test_a_missing_file_is_named(tmp_path):
    source = fetched(str(tmp_path / "gone.wav"), StoreSettings(), tmp_path)
    with pytest.raises(ObjectMissingError, match=r"gone\.wav"), source:
        pass
