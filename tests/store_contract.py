"""What every store has to do; each backend's test module runs the class over its own fixtures.

Fixtures to give: ``store``, an empty store; ``settings``, the StoreSettings it was opened with.
"""

import io
import itertools
import pickle
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from latentsep.errors import (
    CommitStateUnknownError,
    InvalidKeyError,
    ObjectChangedError,
    ObjectExistsError,
    ObjectMissingError,
    StoreError,
)
from latentsep.storage import open_store, open_uri, probe, split_uri

WRITERS = 16
MIB = 1024 * 1024
BAD_KEYS = [
    "", "/etc/passwd", "..", "a/../../b", "a/./b", "a//b", "a/", "a\\b", "a\0b", "a\nb", "a\x7f",
    "\ud800", "x" * 1025, ".latentsep-lock", "a/.latentsep-1.tmp",
]  # fmt: skip
# Where '/' stands in the order (after '-' and '.', before digits) is what a naive walk gets wrong.
ODD_KEYS = [
    "a b", "a%20b", "a+b", "a-b", "a.b", "a/b", "a/b.flac", "a0", "a#b?c=d", "ä",
    "日本/曲.wav", "\U0001f3b5", "a&b<c>", "~tilde'\"",
]  # fmt: skip


def at_once(action, count=WRITERS):
    """Run ``action(0) .. action(count - 1)`` in threads that start together; the results."""
    barrier = threading.Barrier(count)

    def wait_then_act(number):
        barrier.wait()
        return action(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(wait_then_act, range(count)))


def keys_of(store, prefix=""):
    return [info.key for info in store.list(prefix)]


class StoreContract:
    def test_what_is_written_is_read_back(self, store):
        etag = store.write("a/b.bin", b"one")
        assert store.read("a/b.bin") == b"one"
        assert store.stat("a/b.bin").etag == etag
        store.write("a/b.bin", b"two!")
        assert store.read("a/b.bin") == b"two!"
        assert store.stat("a/b.bin").etag != etag

    @pytest.mark.parametrize(
        "method", ["read", "stat", "open", lambda store, key: store.read_range(key, 0, 1)]
    )
    def test_a_missing_object_is_named(self, store, method):
        call = getattr(store, method) if isinstance(method, str) else lambda k: method(store, k)
        store.write("a/b", b"")
        for key in ("nothing", "a/nothing", "a"):
            with pytest.raises(ObjectMissingError) as caught:
                call(key)
            assert f"/{key}" in str(caught.value)
            assert not caught.value.retryable

    def test_an_empty_object_is_an_object(self, store):
        store.write("empty", b"")
        assert store.read("empty") == b""
        assert store.read_range("empty", 0, 10) == b""
        assert store.stat("empty").bytes == 0
        with store.open("empty") as file:
            assert file.read() == b""

    def test_a_range_ends_where_the_object_ends(self, store):
        store.write("x", bytes(range(100)))
        for start, length in [(0, 100), (0, 1), (99, 1), (50, 100), (100, 5), (500, 1), (7, 0)]:
            assert store.read_range("x", start, length) == bytes(range(100))[start : start + length]
        for start, length in [(-1, 5), (0, -1)]:
            with pytest.raises(ValueError, match="must be >= 0"):
                store.read_range("x", start, length)

    def test_an_open_object_reads_like_a_file(self, store):
        data = random.Random(0).randbytes(700_000)
        store.write("x", data)
        draws = random.Random(1)
        with store.open("x") as file, io.BytesIO(data) as expected:
            assert file.readable()
            assert file.seekable()
            for _ in range(60):
                if draws.random() < 0.4:
                    target = draws.randrange(-100, len(data) + 1000)
                    whence = io.SEEK_SET if target >= 0 else io.SEEK_END
                    assert file.seek(target, whence) == expected.seek(target, whence)
                size = draws.choice([1, 100, 70_000, 200_000])
                assert file.read(size) == expected.read(size)
                assert file.tell() == expected.tell()
            file.seek(0)
            assert file.read() == data

    def test_an_open_object_never_mixes_two_versions(self, store):
        store.write("x", b"a" * MIB)
        with store.open("x") as file:
            first = file.read(100)
            store.write("x", b"b" * MIB)
            try:
                rest = file.read()
            except ObjectChangedError:
                rest = b"a" * (MIB - 100)
        assert first + rest == b"a" * MIB

    def test_create_does_not_replace(self, store):
        etag = store.create("run.json", b"mine")
        assert store.stat("run.json").etag == etag
        with pytest.raises(ObjectExistsError, match=r"run\.json: exists already"):
            store.create("run.json", b"other")
        assert store.read("run.json") == b"mine"
        store.delete(["run.json"])
        store.create("run.json", b"again")

    def test_of_sixteen_creators_exactly_one_wins(self, store):
        for number in range(5):
            key = f"results/part-{number:08d}"

            def create(writer, key=key):
                try:
                    store.create(key, str(writer).encode() * 5_000)
                except ObjectExistsError:
                    return None
                return writer

            winners = [writer for writer in at_once(create) if writer is not None]
            assert len(winners) == 1
            assert store.read(key) == str(winners[0]).encode() * 5_000
        assert len(keys_of(store)) == 5

    def test_replace_if_needs_the_current_etag(self, store):
        first = store.create("lease.json", b"1")
        second = store.replace_if("lease.json", b"2", first)
        third = store.replace_if("lease.json", b"3", second)
        for stale in (first, second, "nonsense"):
            with pytest.raises(ObjectChangedError, match=r"lease\.json"):
                store.replace_if("lease.json", b"4", stale)
        assert store.read("lease.json") == b"3"
        assert store.stat("lease.json").etag == third == next(store.list()).etag

    def test_replace_if_does_not_create(self, store):
        with pytest.raises(ObjectChangedError):
            store.replace_if("lease.json", b"1", "0" * 32)
        etag = store.create("lease.json", b"1")
        store.delete(["lease.json"])
        with pytest.raises(ObjectChangedError):
            store.replace_if("lease.json", b"2", etag)
        assert keys_of(store) == []

    def test_of_sixteen_replacers_exactly_one_wins(self, store):
        etag = store.create("lease.json", b"start")
        for turn in range(5):

            def replace(writer, turn=turn, etag=etag):
                data = b"%d by %d" % (turn, writer)
                try:
                    return store.replace_if("lease.json", data, etag)
                except ObjectChangedError:
                    return None
                except CommitStateUnknownError:
                    # radosgw answers 500 to most losers: only a look tells.
                    return (
                        store.stat("lease.json").etag if store.read("lease.json") == data else None
                    )

            winners = [new for new in at_once(replace) if new is not None]
            assert len(winners) == 1
            etag = winners[0]
            assert store.stat("lease.json").etag == etag

    @pytest.mark.parametrize("size", [0, 10, 5 * MIB, 11 * MIB + 7])
    def test_an_upload_arrives_whole(self, store, tmp_path, size):
        path = tmp_path / "stem.flac"
        path.write_bytes(random.Random(size).randbytes(size))
        store.write("stems/vocals.flac", b"older")
        store.upload("stems/vocals.flac", path)
        assert store.read("stems/vocals.flac") == path.read_bytes()
        assert store.stat("stems/vocals.flac").bytes == size

    def test_an_upload_of_a_missing_file_names_the_file(self, store, tmp_path):
        with pytest.raises(ObjectMissingError, match=r"gone\.flac"):
            store.upload("stems/vocals.flac", tmp_path / "gone.flac")
        assert keys_of(store) == []

    def test_listing_is_sorted_by_bytes_and_complete(self, store):
        for key in ODD_KEYS:
            store.write(key, key.encode())
        assert keys_of(store) == sorted(ODD_KEYS, key=str.encode)
        assert all(store.read(key) == key.encode() for key in ODD_KEYS)
        assert all(store.stat(info.key) == info for info in store.list("a"))
        store.delete(ODD_KEYS)
        assert keys_of(store) == []

    def test_a_prefix_may_end_anywhere(self, store):
        for key in ("res", "results/a", "results/b/c", "resume", "x"):
            store.write(key, b"") if key != "res" else store.write("res0", b"")
        assert keys_of(store, "res") == ["res0", "results/a", "results/b/c", "resume"]
        assert keys_of(store, "results/") == ["results/a", "results/b/c"]
        assert keys_of(store, "results/b") == ["results/b/c"]
        assert keys_of(store, "nothing/at/all") == []
        for bad in ("/", "../", "a//", "a\\"):
            with pytest.raises(InvalidKeyError):
                keys_of(store, bad)

    def test_more_than_a_page_is_listed_and_deleted(self, store):
        keys = [f"p/{number:05d}" for number in range(1_205)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: store.write(key, b"x"), keys))
        assert keys_of(store) == keys
        assert list(itertools.islice(store.list("p/"), 3)) == list(store.list("p/0000"))[:3]
        store.delete(iter([*keys, "missing"]))
        assert keys_of(store) == []

    def test_deleting_what_is_not_there_is_no_error(self, store):
        store.delete([])
        store.delete(["a", "b/c"])

    def test_stores_see_only_their_own_prefix(self, store, settings):
        inner = open_store(store.uri + "/sub", settings)
        inner.write("x", b"1")
        store.write("sub2/x", b"2")
        assert keys_of(inner) == ["x"]
        assert keys_of(store) == ["sub/x", "sub2/x"]
        assert store.read("sub/x") == b"1"

    def test_an_object_is_found_by_its_uri(self, store, settings):
        for key in ("a/b c.wav", "a#b?c.wav", "a%20b.wav"):
            store.write(key, key.encode())
            uri = store.uri_of(key)
            with open_uri(uri, settings) as file:
                assert file.read() == key.encode()
            store_uri, rest = split_uri(uri)
            assert open_store(store_uri, settings).uri_of(rest) == uri

    def test_time_comes_from_the_store(self, store):
        here = datetime.now(UTC)
        there = store.now()
        assert abs(there - here) < timedelta(seconds=30)
        store.write("x", b"")
        modified_at = store.stat("x").modified_at
        assert modified_at.utcoffset() == timedelta(0)
        assert timedelta(seconds=-2) < modified_at - there < timedelta(seconds=30)
        assert keys_of(store) == ["x"]

    @pytest.mark.parametrize("key", BAD_KEYS)
    def test_bad_keys_are_refused_by_every_method(self, store, tmp_path, key):
        (tmp_path / "file").write_bytes(b"")
        calls = [
            store.read, store.open, store.stat, store.uri_of, lambda k: store.read_range(k, 0, 1),
            lambda k: store.write(k, b""), lambda k: store.create(k, b""),
            lambda k: store.replace_if(k, b"", "0"), lambda k: store.upload(k, tmp_path / "file"),
            lambda k: store.delete([k]),
        ]  # fmt: skip
        for call in calls:
            with pytest.raises(InvalidKeyError):
                call(key)

    def test_a_store_can_be_sent_to_a_worker(self, store):
        store.write("x", b"1")
        text = pickle.dumps(store)
        assert pickle.loads(text).read("x") == b"1"  # noqa: S301 - our own bytes
        assert b"testsecret" not in text
        assert "testsecret" not in repr(store)

    def test_readers_never_see_half_a_write(self, store):
        contents = [bytes([number]) * 300_000 for number in range(4)]
        store.write("x", contents[0])
        done = threading.Event()

        def read_until_done(_):
            seen = set()
            while not done.is_set():
                seen.add(store.read("x"))
            return seen

        with ThreadPoolExecutor(3) as pool:
            readers = pool.map(read_until_done, range(3))
            for turn in range(20):
                store.write("x", contents[turn % 4])
            done.set()
            assert set().union(*readers) <= set(contents)

    def test_threads_share_a_store(self, store):
        def write_then_read(writer):
            for number in range(5):
                data = f"{writer} {number} ".encode() * 1_000
                store.write(f"{writer}/{number}", data)
                if store.read(f"{writer}/{number}") != data:
                    return False
            return True

        assert all(at_once(write_then_read))

    def test_the_store_passes_the_probe(self, store):
        probe(store)
        assert keys_of(store) == []

    def test_errors_survive_the_way_between_processes(self, store):
        with pytest.raises(StoreError) as caught:
            store.read("nothing")
        copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes
        assert (type(copy), str(copy)) == (ObjectMissingError, str(caught.value))
