import pytest

from latentsep.errors import ObjectChangedError, StoreError
from latentsep.storage import probe
from latentsep.storage.local import LocalStore


class CreatesAlways(LocalStore):
    """As servers do that do not know If-None-Match."""

    def create(self, key, data):
        return self.write(key, data)


class ReplacesAlways(LocalStore):
    def replace_if(self, key, data, etag):
        return self.write(key, data)


class ReplacesNever(LocalStore):
    """As radosgw does with quoted ETags."""

    def replace_if(self, key, data, etag):
        raise ObjectChangedError("no")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (CreatesAlways, "ignores If-None-Match"),
        (ReplacesAlways, "ignores If-Match"),
        (ReplacesNever, "refuses a put with If-Match of the current etag"),
    ],
)
def test_a_server_without_conditions_is_found_out(tmp_path, kind, text):
    with pytest.raises(StoreError, match=text):
        probe(kind(tmp_path))
    assert list(LocalStore(tmp_path).list()) == []
