"""Stems of a store that is not on this machine: they are copied first."""

import io

import pytest
from tiny_outputs import FRAMES, RATE_HZ, TinyOutput

from latentsep.catalogue.stem_content import ExpectedStem, StemReader
from latentsep.errors import AccessDeniedError, StoreError
from latentsep.storage import open_store


class FarStore:
    """A local store that looks like one far away."""

    def __init__(self, store):
        self._store = store

    def uri_of(self, key):
        return f"s3://far/{key}"

    def open(self, key):
        return self._store.open(key)


class BrokenStream(io.BytesIO):
    def read(self, size=-1):
        raise OSError(5, "Input/output error")


@pytest.fixture
def near(tmp_path):
    return open_store(str(tmp_path / "out"))


@pytest.fixture
def stem(near):
    row = TinyOutput(near).stems("a")
    return ExpectedStem(
        "a", near_key(near, row["vocals_stem_uri"]), row["vocals_stem_bytes"],
        row["vocals_stem_sha256"], "flac", RATE_HZ, FRAMES,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def near_key(store, uri):
    return uri.removeprefix(store.uri + "/")


@pytest.fixture
def problem_in():
    """Checks one stem, and ends the decoders."""

    def check(store, folder, stem):
        reader = StemReader(store, folder)
        try:
            return reader.problem(stem)
        finally:
            reader.close()

    return check


def test_a_copy_is_compared_and_removed(near, stem, folder, problem_in):
    assert problem_in(FarStore(near), folder, stem) is None
    assert list(folder.iterdir()) == []


def test_a_copy_with_another_digest_is_found(near, stem, folder, problem_in):
    near.write(stem.key, b"something else")
    kind, text = problem_in(FarStore(near), folder, stem)
    assert kind == "sha256"
    assert text.endswith(f"the row says {stem.sha256}")


def test_a_stem_that_went_meanwhile_is_missing(near, stem, folder, problem_in):
    near.delete([stem.key])
    assert problem_in(FarStore(near), folder, stem) == ("missing", "there is no such object")


def test_a_stem_that_nobody_may_read_is_a_problem(near, stem, folder, problem_in, monkeypatch):
    far = FarStore(near)

    def refuse(key):
        raise AccessDeniedError("403")

    monkeypatch.setattr(far, "open", refuse)
    assert problem_in(far, folder, stem) == ("unreadable", "cannot be read: 403")


def test_a_disk_that_fails_is_a_problem(near, stem, folder, problem_in, monkeypatch):
    far = FarStore(near)
    monkeypatch.setattr(far, "open", lambda key: BrokenStream())
    assert problem_in(far, folder, stem) == (
        "unreadable", "cannot be read: its disk fails: Input/output error",
    )  # fmt: skip


def test_a_store_that_is_busy_is_no_problem_of_the_stem(
    near, stem, folder, problem_in, monkeypatch
):
    far = FarStore(near)

    def refuse(key):
        raise StoreError("slow down", retryable=True)

    monkeypatch.setattr(far, "open", refuse)
    with pytest.raises(StoreError, match="slow down"):
        problem_in(far, folder, stem)


def test_no_room_for_copies_is_no_problem_of_the_stem(near, stem, tmp_path, problem_in):
    with pytest.raises(StoreError, match="set TMPDIR") as caught:
        problem_in(FarStore(near), tmp_path / "nowhere", stem)
    assert caught.value.retryable


def test_a_full_disk_is_no_problem_of_the_stem(near, stem, folder, problem_in, monkeypatch):
    full = open("/dev/full", "wb", buffering=0)  # noqa: SIM115, PTH123 - closed by the reader
    monkeypatch.setattr(
        "latentsep.catalogue.stem_content.tempfile.NamedTemporaryFile", lambda **_: full
    )
    with pytest.raises(StoreError, match="No space left on device"):
        problem_in(FarStore(near), folder, stem)
