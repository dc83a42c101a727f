"""Folders that are about to be written to."""

import os
import tempfile
from pathlib import Path

from latentsep.errors import ConfigError


def make_writable(folder: Path) -> None:
    """Make a folder and see that it can be written to, before any work.

    Raises:
        ConfigError: it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        # os.path says no where pathlib raises: names that are too long.
        reason = "it is a file" if os.path.isfile(folder) else error.strerror  # noqa: PTH113
        raise ConfigError(
            f"output folder {folder} cannot be written: {reason}; take another with -o"
        ) from error
