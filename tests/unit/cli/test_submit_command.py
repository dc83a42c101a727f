import json

import pytest
from click.testing import CliRunner

from latentsep.cli.main import cli
from latentsep.cli.submit import stop, submit
from latentsep.errors import ConfigError

NOBODY = "http://127.0.0.1:1"


def invoke(command, *arguments):
    return CliRunner().invoke(cli, [command.name, *map(str, arguments)])


@pytest.fixture(autouse=True)
def _no_token(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (submit, ["s3://b/m.csv", "-o", "s3://b/out"]),
        (submit, ["s3://b/m.csv", "--address", NOBODY]),
        (stop, ["raysubmit_1"]),
        (stop, ["--address", NOBODY]),
    ],
)
def test_what_is_needed_must_be_given(command, arguments):
    done = invoke(command, *arguments)
    assert done.exit_code == 2
    assert "Missing" in done.output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["m.csv", "-o", "/out", "--address", NOBODY], "relative path"),
        (["/m.csv", "-o", "/out", "--address", NOBODY], "nobody answers there"),
        (["/m.csv", "-o", "/out", "--address", "ray://head:10001"], "Ray Client"),
    ],
)
def test_a_job_that_cannot_be_sent_is_a_wrong_setting(arguments, text):
    done = invoke(submit, *arguments)
    assert isinstance(done.exception, ConfigError)
    assert text in str(done.exception)


def test_stopping_at_a_wrong_address_is_a_wrong_setting():
    done = invoke(stop, "raysubmit_1", "--address", NOBODY)
    assert isinstance(done.exception, ConfigError)


def test_a_token_sent_in_clear_is_warned_of_and_never_shown(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "hidden")
    done = invoke(stop, "raysubmit_1", "--address", "http://host.invalid:8265")
    assert "unencrypted" in done.stderr
    assert "hidden" not in done.output + str(done.exception)


class FakeJobs:
    """A cluster whose jobs end at once with code 3."""

    def __init__(self):
        self.sent = []

    def submit(self, command, config=None):
        self.sent.append((list(command), config))
        return "raysubmit_1"

    def follow(self, submission_id, write):
        from latentsep.pipeline.submission import JobEnd

        write("a line\n")
        return JobEnd("FAILED", 3, "said why")

    def stop(self, submission_id):
        return True


@pytest.fixture
def jobs(monkeypatch):
    fake = FakeJobs()
    monkeypatch.setattr("latentsep.cli.submit._jobs", lambda address: fake)
    return fake


def test_further_options_follow_the_command(jobs):
    done = invoke(submit, "/m.csv", "-o", "/out", "--address", NOBODY, "--", "--limit", "3")
    assert (done.exit_code, done.stdout) == (0, "raysubmit_1\n")
    assert jobs.sent[0][0][-2:] == ["--limit", "3"]


def test_following_gives_the_exit_code_of_the_job(jobs):
    done = invoke(submit, "/m.csv", "-o", "/out", "--address", NOBODY, "--follow")
    assert (done.exit_code, done.stdout) == (3, "raysubmit_1\na line\n")
    assert "FAILED: said why" in done.stderr


def test_json_is_one_document_also_while_following(jobs):
    done = invoke(
        submit, "/m.csv", "-o", "/out", "--address", NOBODY, "--follow", "--output", "json"
    )
    assert done.exit_code == 3
    assert json.loads(done.stdout) == {
        "submission_id": "raysubmit_1", "status": "FAILED", "exit_code": 3, "message": "said why",
    }  # fmt: skip


def test_stopping_says_how_long_the_job_has(jobs):
    done = invoke(stop, "raysubmit_1", "--address", NOBODY)
    assert done.exit_code == 0
    assert "RAY_JOB_STOP_WAIT_TIME_S" in done.stdout
