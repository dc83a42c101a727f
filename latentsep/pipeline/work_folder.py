"""A worker's folder for sources and stems on their way, and what killed workers left of theirs."""

import fcntl
import os
import shutil
import subprocess
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path

from latentsep.errors import ConfigError

WORK_PREFIX = "latentsep-work-"
# Its stdin ends with the process that holds the other end, however that one ends.
_REMOVE_AFTERWARDS = 'exec 3<&0; (read -r _ <&3; rm -rf -- "$1") &'


class WorkFolder:
    """A folder that is locked while its process lives, and removed with this object.

    If its process ends without a word, a small one that waits for this removes the folder: Ray
    kills workers, and they end themselves at once when their driver is gone.

    Where that one was killed too, the lock tells what is left from the folder of a living worker.
    The number of the process would not: it comes again, and other containers and hosts that share
    the parent have their own.

    Attributes:
        path: of the folder.

    Raises:
        ConfigError: it cannot be made or locked.
    """

    def __init__(self, parent: Path) -> None:
        try:
            parent.mkdir(parents=True, exist_ok=True)
            remove_left(parent)
            self.path, lock = _made(parent)
        except OSError as error:
            raise ConfigError(
                f"workers.work_folder {parent} cannot be written: {error.strerror}; give another, "
                "on a local disk"
            ) from error
        self._removal = weakref.finalize(self, _remove, self.path, lock, _remover(self.path))

    def remove(self) -> None:
        """Remove it now; does nothing the second time."""
        self._removal()


def remove_left(parent: Path) -> None:
    """Remove the folders below ``parent`` that nobody has locked any more."""
    for left in parent.glob(f"{WORK_PREFIX}*-*"):
        # Others may remove it at this moment, or it may be another user's.
        with suppress(OSError):
            lock = _locked(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                shutil.rmtree(left)
            finally:
                os.close(lock)


def _made(parent: Path) -> tuple[Path, int]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=f"{WORK_PREFIX}{os.getpid()}-", dir=parent))
        # A worker that starts at this moment may have taken it for one that was left.
        with suppress(FileNotFoundError):
            lock = _locked(path, fcntl.LOCK_EX)
            if path.exists():
                return path, lock
            os.close(lock)


def _locked(folder: Path, how: int) -> int:
    """An open descriptor that holds the folder's lock; the system frees it with the process."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, how)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _remover(folder: Path) -> int:
    """Start what removes the folder once the returned descriptor is closed, or this process ends.

    It is in the background, so nobody's child, and in a session of its own: Ray ends the children
    of a worker together with it, and Ctrl-C ends everything on its terminal.
    """
    end, held = os.pipe()
    try:
        subprocess.run(
            ["sh", "-c", _REMOVE_AFTERWARDS, "sh", folder],
            stdin=end, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, check=True,
        )  # fmt: skip
    finally:
        os.close(end)
    return held


def _remove(folder: Path, lock: int, remover: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.close(lock)
    os.close(remover)
