import os
import subprocess
import sys

from latentsep.pipeline.work_folder import WORK_PREFIX, WorkFolder, remove_left

HOLDS_ONE = """
import pathlib, sys, time
from latentsep.pipeline.work_folder import WorkFolder
folder = WorkFolder(pathlib.Path(sys.argv[1]))
(folder.path / "source").write_bytes(b"bytes")
print(folder.path, flush=True)
time.sleep(60)
"""


def test_a_folder_stays_while_its_process_lives_and_goes_once_it_was_killed(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDS_ONE, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with holder:
        path = holder.stdout.readline().strip()
        remove_left(tmp_path)
        assert [str(one) for one in tmp_path.iterdir()] == [path]
        holder.kill()
    mine = WorkFolder(tmp_path)
    assert list(tmp_path.iterdir()) == [mine.path]


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
