"""What only local files can get wrong. The contract is in test_local_contract.py."""

import os
import stat
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentsep.errors import AccessDeniedError, ObjectMissingError, StoreError
from latentsep.storage.local import LocalStore

NOBODY = 65534
NAMES = st.text(st.sampled_from(list("a-./0b~")), min_size=1, max_size=3).filter(
    lambda name: "/" not in name and name not in (".", "..")
)


@pytest.fixture
def store(tmp_path):
    return LocalStore(tmp_path / "out")


def without_clashes(keys):
    """Locally a name is a file or a folder, not both."""
    return {key for key in keys if not any(other.startswith(key + "/") for other in keys)}


@settings(max_examples=40)
@given(
    keys=st.sets(st.lists(NAMES, min_size=1, max_size=3).map("/".join), max_size=12),
    prefix=st.text(st.sampled_from(list("a-.0b")), max_size=3),
)
def test_listing_equals_the_sorted_keys_of_the_prefix(keys, prefix):
    keys = without_clashes(keys)
    if prefix in (".", ".."):
        prefix = ""
    with tempfile.TemporaryDirectory() as folder:
        for key in keys:
            path = Path(folder, key)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
        listed = [info.key for info in LocalStore(Path(folder)).list(prefix)]
    assert listed == sorted((key for key in keys if key.startswith(prefix)), key=str.encode)


def test_what_a_killed_writer_left_is_not_listed(store):
    store.write("a/x", b"1")
    (store.root / "a" / ".latentsep-0123.tmp").write_bytes(b"half")
    assert [info.key for info in store.list()] == ["a/x"]


def test_nothing_but_the_object_and_the_lock_is_left_behind(store, tmp_path):
    (tmp_path / "source").write_bytes(b"2")
    etag = store.create("x", b"1")
    store.replace_if("x", b"2", etag)
    store.upload("x", tmp_path / "source")
    store.now()
    with pytest.raises(StoreError):
        store.create("x", b"3")
    assert {path.name for path in store.root.iterdir()} == {"x", ".latentsep-lock"}


def test_files_get_the_permissions_of_the_umask(store):
    before = os.umask(0o027)
    try:
        store.write("a/x", b"")
        store.create("a/y", b"")
    finally:
        os.umask(before)
    for name in ("a/x", "a/y"):
        assert stat.S_IMODE((store.root / name).stat().st_mode) == 0o640


def test_any_change_of_a_source_changes_its_etag(store):
    etags = [store.write("x", b"same")]
    etags.append(store.write("x", b"same"))
    path = store.root / "x"
    with path.open("r+b") as file:
        time.sleep(0.02)
        file.write(b"SAME")
    etags.append(store.stat("x").etag)
    os.utime(path)
    time.sleep(0.02)
    os.utime(path)
    etags.append(store.stat("x").etag)
    assert len(set(etags)) == 4
    assert store.stat("x").etag == etags[-1]


def test_links_to_files_are_listed_and_circles_are_not_entered(store, tmp_path):
    store.write("a/x", b"1")
    (tmp_path / "elsewhere").write_bytes(b"22")
    (store.root / "a" / "link").symlink_to(tmp_path / "elsewhere")
    (store.root / "a" / "circle").symlink_to(store.root)
    (store.root / "a" / "dangling").symlink_to(tmp_path / "nowhere")
    assert [(info.key, info.bytes) for info in store.list()] == [("a/link", 2), ("a/x", 1)]


def test_a_name_that_is_no_utf8_is_listed_and_refused_when_used(store):
    store.write("a", b"")
    with open(os.fsencode(store.root) + b"/\xff.wav", "wb"):  # noqa: PTH123 - bytes are no Path
        pass
    names = [info.key for info in store.list()]
    assert len(names) == 2
    with pytest.raises(StoreError, match="is not UTF-8"):
        store.read(names[1])


def test_pipes_and_folders_are_no_objects(store):
    store.write("folder/x", b"")
    os.mkfifo(store.root / "pipe")
    for key in ("pipe", "folder"):
        with pytest.raises(ObjectMissingError, match="not a regular file"):
            store.read(key)
    assert [info.key for info in store.list()] == ["folder/x"]


def test_a_file_where_a_folder_is_needed_is_named(store):
    store.write("a", b"")
    with pytest.raises(StoreError, match="is a file") as caught:
        store.write("a/b/c", b"")
    assert type(caught.value) is StoreError
    assert not caught.value.retryable


def test_a_folder_where_a_file_is_wanted_is_refused(store):
    store.write("a/b", b"")
    with pytest.raises(StoreError, match="directory"):
        store.write("a", b"")
    assert [info.key for info in store.list()] == ["a/b"]


def test_a_name_too_long_is_refused_for_good(store):
    for call in (lambda: store.write("x" * 300, b""), lambda: store.read("x" * 300)):
        with pytest.raises(StoreError, match="name too long") as caught:
            call()
        assert not caught.value.retryable


@contextmanager
def no_permissions(folder):
    """Permission bits mean nothing to root, so root becomes somebody else for a moment."""
    is_root = os.geteuid() == 0
    folder.chmod(0)
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o755)


def test_missing_permission_is_told_apart_from_a_missing_file(store):
    store.write("a/x", b"1")
    with no_permissions(store.root):
        for call in (
            lambda: store.read("a/x"),
            lambda: store.write("a/x", b"2"),
            lambda: store.create("y", b""),
            lambda: store.replace_if("a/x", b"", "0"),
            lambda: list(store.list()),
            lambda: store.delete(["a/x"]),
            store.now,
        ):
            with pytest.raises(AccessDeniedError, match="check the permissions") as caught:
                call()
            assert not caught.value.retryable
    assert store.read("a/x") == b"1"
