import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from latentsep.pipeline.work_folder import WORK_PREFIX, WorkFolder, remove_left

HOLDS_ONE = """
import pathlib, sys, time
from latentsep.pipeline.work_folder import WorkFolder
folder = WorkFolder(pathlib.Path(sys.argv[1]))
(folder.path / "source").write_bytes(b"bytes")
print(folder.path, flush=True)
time.sleep(60)
"""


def wait_until(condition):
    deadline_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline_s, "condition did not come true in time"
        time.sleep(0.01)


def test_a_folder_stays_while_its_process_lives_and_goes_once_it_was_killed(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDS_ONE, str(tmp_path)],
        stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    with holder:
        path = Path(holder.stdout.readline().strip())
        remove_left(tmp_path)
        assert list(tmp_path.iterdir()) == [path]
        # All of them, as Ctrl-C on a terminal does it.
        os.killpg(holder.pid, signal.SIGKILL)
    wait_until(lambda: not path.exists())


def test_what_nobody_could_remove_goes_with_the_next_folder(tmp_path):
    (tmp_path / f"{WORK_PREFIX}1-abc").mkdir()
    mine = WorkFolder(tmp_path)
    assert list(tmp_path.iterdir()) == [mine.path]


def test_nobody_waits_for_the_end_of_a_folder_that_is_removed(tmp_path):
    folder = WorkFolder(tmp_path)
    (waiting,) = _processes_with(folder.path)
    assert waiting.ppid() != os.getpid()
    folder.remove()
    wait_until(lambda: not _processes_with(folder.path))


def _processes_with(argument):
    return [
        process for process in psutil.process_iter(["cmdline"])
        if str(argument) in (process.info["cmdline"] or [])
    ]  # fmt: skip


def test_the_number_of_a_living_process_does_not_keep_what_another_one_left(tmp_path):
    (tmp_path / f"{WORK_PREFIX}{os.getpid()}-abc").mkdir()
    remove_left(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_of_a_process_that_this_machine_does_not_see_stays(tmp_path):
    other = WorkFolder(tmp_path)
    unseen = tmp_path / f"{WORK_PREFIX}{2**22 + 1}-abc"
    other.path.rename(unseen)
    remove_left(tmp_path)
    assert list(tmp_path.iterdir()) == [unseen]


def test_it_goes_with_its_object(tmp_path):
    folder = WorkFolder(tmp_path)
    (folder.path / "track-x").mkdir()
    del folder
    assert not list(tmp_path.iterdir())


def test_links_are_not_followed(tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    (tmp_path / f"{WORK_PREFIX}1-abc").symlink_to(target)
    remove_left(tmp_path)
    assert target.is_dir()
