"""Files below a folder in the order of their keys, one folder in memory at a time."""

import os
from collections.abc import Iterator
from pathlib import Path

from latentsep.storage.base import is_own_name


def list_files(root: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    """Key and path of every file whose key starts with ``prefix``, sorted by the key's bytes.

    Raises:
        OSError: a folder cannot be read; one that vanishes meanwhile is passed over.
    """
    folder = prefix.rpartition("/")[0]
    above = f"{folder}/" if folder else ""
    return _walk(root / folder, above, prefix)


def _walk(folder: Path, above: str, prefix: str) -> Iterator[tuple[str, Path]]:
    """Descend in sorted order; ``above`` is the key of the folder with its slash."""
    for name in _sorted_names(folder):
        key = above + name
        if not (key.startswith(prefix) or prefix.startswith(key)):
            continue
        if name.endswith("/"):
            yield from _walk(folder / name[:-1], key, prefix)
        elif key.startswith(prefix):
            yield key, folder / name


def _sorted_names(folder: Path) -> list[str]:
    """Names of files, and of folders with a slash: where the slash stands decides the order."""
    try:
        with os.scandir(folder) as entries:
            names = [_name(entry) for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted((name for name in names if name and not is_own_name(name)), key=os.fsencode)


def _name(entry: os.DirEntry[str]) -> str | None:
    if entry.is_dir(follow_symlinks=False):
        return entry.name + "/"
    return entry.name if entry.is_file() else None
