import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from latentsep.cli.submit import exit_code_of
from latentsep.errors import ConfigError
from latentsep.pipeline.submission import (
    ClusterJobs,
    JobEnd,
    auth_token,
    sends_token_in_clear,
    separate_command,
)


def test_the_command_is_that_of_a_job_on_the_head():
    assert separate_command("s3://b/m.csv", "s3://b/out", ["--limit", "3"], has_config=True) == [
        "latentsep", "separate", "s3://b/m.csv", "-o", "s3://b/out", "--address", "auto",
        "--config", "config.yaml", "--limit", "3",
    ]  # fmt: skip


@pytest.mark.parametrize(("manifest", "out"), [("m.csv", "/out"), ("/m.csv", "out")])
def test_relative_paths_are_refused(manifest, out):
    with pytest.raises(ConfigError, match="relative path means another place"):
        separate_command(manifest, out, [], has_config=False)


@pytest.fixture
def home(tmp_path):
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("of-home\n")
    (tmp_path / "named").write_text("of-file\n")
    (tmp_path / "empty").write_text("\n")
    return tmp_path


def test_the_token_is_looked_for_in_rays_order(home):
    environment = {"HOME": str(home)}
    assert auth_token(environment) == "of-home"
    environment["RAY_AUTH_TOKEN_PATH"] = str(home / "named")
    assert auth_token(environment) == "of-file"
    environment["RAY_AUTH_TOKEN"] = "of-variable"
    assert auth_token(environment) == "of-variable"


def test_no_token_is_no_error(tmp_path):
    assert auth_token({"HOME": str(tmp_path)}) is None


@pytest.mark.parametrize(("name", "text"), [("none", "cannot be read"), ("empty", "is empty")])
def test_a_named_token_file_must_hold_one(home, name, text):
    with pytest.raises(ConfigError, match=text):
        auth_token({"HOME": str(home), "RAY_AUTH_TOKEN_PATH": str(home / name)})


@pytest.mark.parametrize(
    ("address", "in_clear"),
    [
        ("http://10.0.0.1:8265", True),
        ("https://head:8265", False),
        ("http://localhost:8265", False),
        ("http://127.0.0.1:8265", False),
        ("http://[::1]:8265", False),
    ],
)
def test_a_token_in_clear_is_noticed(address, in_clear):
    assert sends_token_in_clear(address) == in_clear


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("ray://head:10001", "Ray Client is not supported"),
        ("head:8265", "is not like http://HOST:8265"),
        ("http://127.0.0.1:1", "nobody answers there"),
    ],
)
def test_an_address_that_cannot_be_is_one_line(address, text):
    with pytest.raises(ConfigError, match=text) as caught:
        ClusterJobs(address, None)
    assert len(str(caught.value).splitlines()) == 1


@contextmanager
def dashboard(status, body):
    """A server that gives one answer to everything; ``seen`` are the headers it got."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(dict(self.headers))
            data = body.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
        server.shutdown()


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_told_without_the_token(status):
    with (
        dashboard(status, "no") as (address, _),
        pytest.raises(ConfigError, match="does not accept the token") as caught,
    ):
        ClusterJobs(address, "hidden")
    assert "hidden" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(("status", "body"), [(200, "<html>"), (404, "no"), (500, "no")])
def test_a_server_that_is_not_ray_is_one_line(status, body):
    with (
        dashboard(status, body) as (address, _),
        pytest.raises(ConfigError, match="the cluster cannot be asked") as caught,
    ):
        ClusterJobs(address, None)
    assert len(str(caught.value).splitlines()) == 1


def test_the_token_goes_into_a_header_and_variables_do_not_change_the_address(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:1")
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:1")
    with dashboard(200, json.dumps({"ray_version": "2.60.0"})) as (address, seen):
        ClusterJobs(address, "hidden")
    assert seen[0]["Authorization"] == "Bearer hidden"


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (JobEnd("SUCCEEDED", 0, ""), 0),
        (JobEnd("FAILED", 3, ""), 3),
        (JobEnd("FAILED", -9, ""), 137),
        (JobEnd("FAILED", None, ""), 1),
        (JobEnd("STOPPED", None, ""), 75),
        (JobEnd("SUCCEEDED", None, ""), 0),
    ],
)
def test_the_exit_code_is_that_of_the_job_where_it_is_known(end, code):
    assert exit_code_of(end) == code
