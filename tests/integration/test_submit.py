import os
import sys
import tempfile

import pytest
from click.testing import CliRunner
from command_line import LONGEST_S, wait_until
from ray_head import TOKEN, RayHead

from latentsep.cli.submit import stop, submit
from latentsep.errors import ConfigError
from latentsep.pipeline.doctor_ray import check_address
from latentsep.pipeline.submission import ClusterJobs

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(900),
    # Ray's own call of aiohttp, when it follows a log.
    pytest.mark.filterwarnings("ignore:ssl=None is deprecated:DeprecationWarning"),
]

# Ends in its own time when it is asked to, as the catalogue job does while it commits.
SLOW_TO_STOP = """
import signal, sys, time
def end(number, frame):
    time.sleep(5)
    print("committed", flush=True)
    sys.exit(75)
signal.signal(signal.SIGTERM, end)
print("started", flush=True)
time.sleep(3600)
"""


@pytest.fixture(scope="module")
def head():
    with tempfile.TemporaryDirectory(prefix="ray-") as folder, RayHead(folder) as head:
        yield head


@pytest.fixture
def jobs(head):
    return ClusterJobs(head.address, TOKEN)


def python(code):
    return [sys.executable, "-c", code]


def wait_for_log(jobs, submission_id, text):
    wait_until(lambda: text in jobs._client.get_job_logs(submission_id))


def test_a_job_is_followed_to_its_exit_code(jobs):
    told = []
    submission_id = jobs.submit(python("print('hello'); raise SystemExit(3)"))
    end = jobs.follow(submission_id, told.append)
    assert (end.status, end.exit_code) == ("FAILED", 3)
    assert "hello" in "".join(told)


def test_words_with_spaces_and_quotes_arrive_as_they_are(jobs):
    words = ["a b", "it's", "$HOME", "*"]
    told = []
    jobs.follow(jobs.submit([*python("import sys; print(sys.argv[1:])"), *words]), told.append)
    assert repr(words) in "".join(told)


def test_a_config_of_this_machine_lies_beside_the_job(jobs, tmp_path):
    (tmp_path / "mine.yaml").write_text("model: default\n")
    told = []
    command = python("print(open('config.yaml').read())")
    end = jobs.follow(jobs.submit(command, tmp_path / "mine.yaml"), told.append)
    assert end.exit_code == 0
    assert "model: default" in "".join(told)


def test_a_missing_config_is_refused(jobs, tmp_path):
    with pytest.raises(ConfigError, match=r"--config .*none\.yaml: cannot be read"):
        jobs.submit(python(""), tmp_path / "none.yaml")


def test_a_stopped_job_gets_the_time_to_commit(jobs):
    submission_id = jobs.submit(python(SLOW_TO_STOP))
    wait_for_log(jobs, submission_id, "started")
    assert jobs.stop(submission_id)
    end = jobs.wait(submission_id, timeout_s=LONGEST_S)
    assert end.status == "STOPPED"
    wait_for_log(jobs, submission_id, "committed")
    assert not jobs.stop(submission_id)


@pytest.mark.parametrize("ask", ["stop", "wait"])
def test_an_unknown_job_is_one_line(jobs, ask):
    with pytest.raises(ConfigError, match="knows no such job") as caught:
        getattr(jobs, ask)("raysubmit_none")
    assert len(str(caught.value).splitlines()) == 1


def test_following_an_unknown_job_is_one_line(jobs):
    with pytest.raises(ConfigError, match="job raysubmit_none"):
        jobs.follow("raysubmit_none", lambda text: None)


@pytest.mark.parametrize("token", [None, "wrong-token-" + "1" * 32])
def test_a_cluster_with_tokens_refuses_others(head, token):
    with pytest.raises(ConfigError, match="does not accept the token") as caught:
        ClusterJobs(head.address, token)
    assert "wrong" not in str(caught.value)


def test_the_doctor_sees_the_cluster(head):
    environment = {"RAY_AUTH_TOKEN": TOKEN}
    assert check_address(head.address, environment).state == "ok"
    refused = check_address(head.address, {"RAY_AUTH_TOKEN": "wrong-token-" + "1" * 32})
    assert refused.state == "failed"
    assert "wrong" not in refused.what


def test_the_doctor_joins_the_cluster(head, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    check = check_address(head.gcs_address, os.environ)
    assert (check.state, check.what) == ("ok", f"{head.gcs_address}: 2 CPUs and 0 GPUs")


def test_the_doctor_cannot_join_with_a_wrong_token(head, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "wrong-token-" + "1" * 32)
    check = check_address(head.gcs_address, os.environ)
    assert check.state == "failed"
    assert "wrong-token" not in check.what


def test_the_commands_send_a_job_and_stop_one(head, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    sent = CliRunner().invoke(
        submit,
        ["/m.csv", "-o", "/out", "--address", head.address, "--follow", "--", "--no-such-option"],
    )
    submission_id = sent.stdout.splitlines()[0]
    # latentsep of this environment answers, or the head does not have it: 2 or 127.
    assert sent.exit_code in (2, 127), sent.output
    assert f"latentsep stop {submission_id} --address {head.address}" in sent.stderr
    stopped = CliRunner().invoke(stop, [submission_id, "--address", head.address])
    assert (stopped.exit_code, stopped.output) == (0, f"{submission_id} had ended before.\n")
    assert TOKEN not in sent.output + stopped.output
