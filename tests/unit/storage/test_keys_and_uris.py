import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from latentsep.errors import ConfigError, InvalidKeyError
from latentsep.storage import STORES, S3Settings, StoreSettings, check_key, open_store, split_uri

ROOT = Path("/srv/out")
# Characters that mean something to paths and URIs, and some that do not.
TRICKY = st.text(st.sampled_from(list("./\\\0\n-_%#?&+~:@ aZ0é曲\ud800")), max_size=12)


def accepted(key):
    try:
        return check_key(key) == key
    except InvalidKeyError:
        return False


@given(TRICKY | st.text(max_size=20))
@example("..")
@example("a/..")
@example("a/../../etc")
@example("./a")
@example("~/x")
@example("C:\\x")
def test_no_accepted_key_leaves_the_store(key):
    if accepted(key):
        path = Path(f"{ROOT}/{key}")
        assert ROOT in path.parents
        assert path.relative_to(ROOT).as_posix() == key
        assert str(path.resolve()) == str(path)


@given(TRICKY)
def test_a_key_is_accepted_if_and_only_if_its_parts_are_plain_names(key):
    parts = key.split("/")
    is_plain = all(part not in ("", ".", "..") for part in parts)
    assert accepted(key) == (is_plain and not set(key) & set("\\\0\n\ud800"))


@given(TRICKY.filter(accepted))
def test_an_object_uri_leads_back_to_the_object(key):
    for store in (open_store("s3://music/out"), open_store("/srv/out")):
        store_uri, rest = split_uri(store.uri_of(key))
        assert open_store(store_uri).uri_of(rest) == store.uri_of(key)


@pytest.mark.parametrize(
    ("uri", "rooted_at"),
    [
        ("s3://music", "s3://music"),
        ("s3://music/", "s3://music"),
        ("S3://music/a/b/", "s3://music/a/b"),
        ("/srv/out/", "file:///srv/out"),
        ("file:///srv/a%20b", "file:///srv/a%20b"),
        ("file://localhost/srv", "file:///srv"),
        ("/srv/50% #1?", "file:///srv/50%25%20%231%3F"),
    ],
)
def test_stores_are_opened_by_scheme(uri, rooted_at):
    assert open_store(uri).uri == rooted_at


def test_a_relative_path_means_the_same_in_every_worker(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert open_store("out").uri == (tmp_path / "out").as_uri()


@pytest.mark.parametrize("scheme", ["gs", "az", "abfs", "http", "https", "ftp", "hdfs"])
def test_other_schemes_are_refused_with_what_is_supported(scheme):
    for call in (open_store, split_uri):
        with pytest.raises(ConfigError, match=f"'{scheme}' is not supported, only file://, s3://"):
            call(f"{scheme}://bucket/x")


@pytest.mark.parametrize(
    "uri", ["", "s3://", "s3:///key", "s3://a b/x", "s3://../x", "file://host/x", "/a\0b"]
)
def test_uris_of_nowhere_are_refused(uri):
    for call in (open_store, split_uri):
        with pytest.raises(ConfigError):
            call(uri)


@pytest.mark.parametrize("uri", ["s3://music", "s3://music/a//b", "s3://music/a/../b", "/"])
def test_uris_that_name_no_object_are_refused(uri):
    with pytest.raises(InvalidKeyError):
        split_uri(uri)


def test_a_new_store_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(STORES, "shelf", lambda uri, settings: open_store(str(tmp_path)))
    assert open_store("shelf://anything").uri == tmp_path.as_uri()


@pytest.mark.parametrize(
    ("url", "text"),
    [("http://user:secretword@host", "user or password"), ("host:9000", "https://host:port")],
)
def test_an_endpoint_holds_an_address_and_no_secret(url, text):
    for make in (
        lambda: S3Settings(endpoint_url=url),
        lambda: StoreSettings(s3={"endpoint_url": url}),
    ):
        with pytest.raises(ValidationError, match=text) as caught:
            make()
        assert "secretword" not in str(caught.value)


def test_unknown_settings_are_refused():
    with pytest.raises(ValidationError):
        StoreSettings(s3={"secret_key": "x"})


def test_naming_a_store_loads_no_storage_sdk():
    code = (
        "import sys, latentsep.storage as s; s.open_store('/srv'); "
        "sys.exit('boto3' in sys.modules or 'torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
