"""Local files when the disk is full and when writers are killed."""

import subprocess
import sys
import textwrap
import time

import pytest

from latentsep.errors import StoreError
from latentsep.storage import open_store

pytestmark = pytest.mark.integration
WRITER = textwrap.dedent("""
    import itertools, sys
    from latentsep.errors import ObjectExistsError
    from latentsep.storage import open_store
    store = open_store(sys.argv[1])
    print("ready", flush=True)
    for number in itertools.count():
        store.write("status.json", bytes([number % 256]) * 500_000)
        try:
            store.create(f"results/part-{number:08d}", bytes([number % 256]) * 500_000)
        except ObjectExistsError:
            pass
""")


def test_a_full_disk_keeps_what_was_there(small_disk, tmp_path):
    store = open_store(str(small_disk / "out"))
    etag = store.write("kept", b"older")
    (tmp_path / "large").write_bytes(bytes(2_000_000))
    for call in (
        lambda: store.write("kept", bytes(2_000_000)),
        lambda: store.create("new", bytes(2_000_000)),
        lambda: store.replace_if("kept", bytes(2_000_000), etag),
        lambda: store.upload("kept", tmp_path / "large"),
    ):
        with pytest.raises(StoreError, match="No space left on device") as caught:
            call()
        assert caught.value.retryable
    assert [info.key for info in store.list()] == ["kept"]
    assert store.read("kept") == b"older"
    names = {path.name for path in store.root.iterdir()}
    assert names <= {"kept", ".latentsep-lock"}


def test_a_killed_writer_leaves_whole_objects_only(tmp_path):
    store = open_store(str(tmp_path))
    for turn in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE
        ) as process:
            process.stdout.readline()
            time.sleep(0.1 + 0.037 * turn)
            process.kill()
        objects = list(store.list())
        assert len(objects) >= 2
        for info in objects:
            data = store.read(info.key)
            assert len(data) == info.bytes == 500_000
            assert len(set(data)) == 1
