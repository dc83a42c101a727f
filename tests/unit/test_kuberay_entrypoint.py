import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ENTRYPOINT = Path(__file__).parents[2] / "cluster/kuberay/entrypoint.py"
WAIT_S = 30
REPORT = """printf '%s' '{"state": "STATE", "reason": null}'"""
# Commits for a while after it was asked to end, as the job does.
STOPPABLE = """
end() { sleep 0.5; touch "$0.committed"; exit 75; }
trap end TERM
touch "$0.started"
while :; do sleep 0.05; done
"""


class Job:
    """``latentsep`` is a shell script; everything else is as in the head's container."""

    def __init__(self, folder, script):
        self.program = folder / "latentsep"
        self.program.write_text(f"#!/bin/sh\n{script}\n")
        self.program.chmod(0o755)
        path = f"{folder}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "TMPDIR": str(folder)}

    def command(self, *arguments):
        return [sys.executable, str(ENTRYPOINT), *arguments]

    def run(self, *arguments):
        return subprocess.run(
            self.command(*arguments), env=self.environment, capture_output=True, text=True,
            timeout=WAIT_S, check=False,
        )  # fmt: skip

    def start(self):
        process = subprocess.Popen(
            self.command(), env=self.environment,
            # Tests that run in the background inherit an ignored SIGINT, which no shell can trap.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        self.wait_for(self.program.with_name("latentsep.started"))
        # Written last, when signals are handed on.
        self.wait_for(self.program.with_name("latentsep-job.pid"))
        return process

    @property
    def is_committed(self):
        return self.program.with_name("latentsep.committed").exists()

    @staticmethod
    def wait_for(path):
        deadline_s = time.monotonic() + WAIT_S
        while not path.exists():
            assert time.monotonic() < deadline_s, f"no {path.name} after {WAIT_S} s"
            time.sleep(0.02)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("exit 0", 0),
        ("exit 2", 0),
        ("exit 4", 0),
        (REPORT.replace("STATE", "done") + "; exit 1", 0),
        (REPORT.replace("STATE", "stopped") + "; exit 1", 0),
        ("exit 1", 1),
        ("echo Traceback; exit 1", 1),
        ("echo 1; exit 1", 1),
        ("exit 3", 3),
        (REPORT.replace("STATE", "interrupted") + "; exit 75", 75),
        ("exit 127", 127),
        ("kill -KILL $$", 128 + signal.SIGKILL),
    ],
)
def test_only_an_end_that_would_come_again_counts_as_success(tmp_path, script, code):
    assert Job(tmp_path, script).run().returncode == code


def test_arguments_arrive_as_they_are_and_the_report_is_shown(tmp_path):
    done = Job(tmp_path, """printf '<%s>' "$@" """).run("m.csv", "-o", "a b", "it's", "$HOME", "*")
    assert done.stdout == "<separate><m.csv><-o><a b><it's><$HOME><*><--output><json>"
    assert done.stderr == "entrypoint: exit code 0: final\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_handed_on_and_the_commit_waited_for(tmp_path, number):
    job = Job(tmp_path, STOPPABLE.replace("TERM", "TERM INT"))
    process = job.start()
    process.send_signal(number)
    assert process.wait(WAIT_S) == 75
    assert job.is_committed


def test_the_pre_stop_hook_returns_when_the_job_is_gone(tmp_path):
    job = Job(tmp_path, STOPPABLE)
    with job.start() as process:
        # Reaps it, as Ray does in the container; a zombie would count as alive.
        stopping = subprocess.Popen(job.command("--stop"), env=job.environment)
        assert process.wait(WAIT_S) == 75
        assert stopping.wait(WAIT_S) == 0
    assert job.is_committed
    assert not (tmp_path / "latentsep-job.pid").exists()


@pytest.mark.parametrize("left", [None, "999999999"])
def test_the_pre_stop_hook_has_nothing_to_do_without_a_job(tmp_path, left):
    job = Job(tmp_path, "exit 0")
    if left is not None:
        (tmp_path / "latentsep-job.pid").write_text(left)
    assert job.run("--stop").returncode == 0
