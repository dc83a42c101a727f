"""From what the user typed to a list of files, and a place for each stem."""

import glob
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import NoReturn

from latentsep.audio.extensions import AUDIO_EXTENSIONS
from latentsep.audio.spool import path_from_uri
from latentsep.errors import ConfigError
from latentsep.pipeline.store import STEM_NAMES

TEMPLATE_FIELDS = ("track", "stem", "ext", "model", "dir")
_FIELD = re.compile(r"\{([^{}]*)\}")
_SCHEME = re.compile(r"^(?!file:)[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True)
class InputFile:
    """One file to separate, and its path relative to what the user named."""

    path: Path
    relative: PurePosixPath


@dataclass(frozen=True)
class PlannedTrack:
    """One file and the final paths of its stems."""

    source: Path
    stems: dict[str, Path]


def expand_inputs(inputs: Sequence[str], own: Sequence[Path]) -> list[InputFile]:
    """Files, folders (recursive, audio extensions only) and glob patterns to files, each once.

    What lies below a folder of ``own`` is left out of folders and patterns around it: it is the
    stems of an earlier run. So are hidden files and folders.

    Raises:
        ConfigError: a folder or pattern holds nothing, a folder cannot be listed, or an input is of
            a kind not supported here.
    """
    found: dict[Path, InputFile] = {}
    for text in inputs:
        for file in _expand(text, own):
            found.setdefault(_whole(file.path), file)
    return list(found.values())


def plan_outputs(
    files: Sequence[InputFile], out: Path, template: str, model: str, extension: str
) -> list[PlannedTrack]:
    """Give every stem a path of its own below ``out``.

    A track is named by its base name; where several would share one, by its path below the folder
    the user named; then with its extension too; then by its path below the folder that
    all files share; then with a number.

    Raises:
        ConfigError: the template is wrong, leads out of ``out``, or still lets two stems collide.
    """
    _check_template(template)
    planned = []
    for file, track in zip(files, _track_names(files), strict=True):
        fields = {
            "track": track,
            "ext": extension,
            "model": model,
            "dir": str(file.relative.parent),
        }
        stems = {stem: _resolve(out, template, {**fields, "stem": stem}) for stem in STEM_NAMES}
        planned.append(PlannedTrack(file.path, stems))
    _check_collisions(planned)
    return planned


def _expand(text: str, own: Sequence[Path]) -> list[InputFile]:
    if _SCHEME.match(text):
        raise ConfigError(
            f"{text}: of object stores only s3:// is supported, as one catalogue; else give audio "
            "files, folders or globs"
        )
    path = path_from_uri(text)
    # os.path says no where pathlib raises: names that are too long, folders that are closed.
    if os.path.isdir(path):  # noqa: PTH112
        files = _folder(path, own)
    elif os.path.lexists(path) or not glob.has_magic(text):
        # A missing or unreadable file is that track's failure, not the end of the others.
        files = [InputFile(path, PurePosixPath(path.name))]
    else:
        files = _pattern(text, own)
    if not files:
        raise ConfigError(f"{text}: no audio file found there")
    return files


def _folder(folder: Path, own: Sequence[Path]) -> list[InputFile]:
    files, left_out = [], {os.path.realpath(path) for path in own}
    for parent, folders, names in os.walk(folder, onerror=_fail_unlisted):
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and os.path.realpath(Path(parent, name)) not in left_out
        ]
        files += [
            Path(parent, name)
            for name in names
            if not name.startswith(".") and Path(name).suffix.lower() in AUDIO_EXTENSIONS
        ]
    return [
        InputFile(file, PurePosixPath(file.relative_to(folder).as_posix()))
        for file in sorted(files)
    ]


def _fail_unlisted(error: OSError) -> NoReturn:
    raise ConfigError(f"folder {error.filename} cannot be listed: {error.strerror}") from error


def _pattern(text: str, own: Sequence[Path]) -> list[InputFile]:
    fixed = Path(*takewhile(lambda part: not glob.has_magic(part), Path(text).parts))
    files = []
    for match in sorted(glob.glob(text, recursive=True)):  # noqa: PTH207 - pathlib has no absolute patterns
        path = Path(match)
        if any(_is_below(path, folder) and not _is_below(fixed, folder) for folder in own):
            continue
        place = PurePosixPath(path.relative_to(fixed).as_posix())
        if path.is_dir():
            below = _folder(path, own)
            files += [InputFile(file.path, place / file.relative) for file in below]
        else:
            files.append(InputFile(path, place))
    return files


def _whole(path: Path) -> Path:
    """Absolute, the folder without links and ``..``; the name of a link stays its own."""
    return Path(os.path.realpath(path.parent), path.name)


def _is_below(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _key(name: str) -> str:
    """Equal for names that some file system does not tell apart: case, composed letters."""
    return unicodedata.normalize("NFC", name).casefold()


def _without_extension(path: PurePosixPath) -> PurePosixPath:
    """Keeps a name such as ``...wav`` whole, which would become ``..``."""
    return path.with_suffix("") if path.stem.strip(".") else path


def _track_names(files: Sequence[InputFile]) -> list[str]:
    names = [_without_extension(file.relative).name for file in files]
    common = os.path.commonpath([_whole(file.path).parent for file in files])
    longer: list[Callable[[InputFile], str]] = [
        lambda file: str(_without_extension(file.relative)),
        lambda file: str(file.relative),
        lambda file: os.path.relpath(_whole(file.path), common),
    ]
    for rename in longer:
        counts = Counter(_key(name) for name in names)
        shared = [counts[_key(name)] > 1 for name in names]
        names = [
            rename(file) if is_shared else name
            for file, name, is_shared in zip(files, names, shared, strict=True)
        ]
    return _numbered(names)


def _numbered(names: Sequence[str]) -> list[str]:
    """Tell ``Song.wav`` from ``song.wav`` in one folder."""
    counts: Counter[str] = Counter()
    numbered = []
    for name in names:
        counts[_key(name)] += 1
        count = counts[_key(name)]
        numbered.append(name if count == 1 else f"{name} ({count})")
    return numbered


def _check_template(template: str) -> None:
    unknown = [field for field in _FIELD.findall(template) if field not in TEMPLATE_FIELDS]
    rest = _FIELD.sub("", template)
    if unknown or "{" in rest or "}" in rest:
        allowed = ", ".join(f"{{{field}}}" for field in TEMPLATE_FIELDS)
        raise ConfigError(f"--filename {template!r}: allowed fields are {allowed}")
    if "{stem}" not in template:
        raise ConfigError(
            f"--filename {template!r}: {{stem}} is missing, both stems would share one file"
        )


def _resolve(out: Path, template: str, fields: dict[str, str]) -> Path:
    relative = PurePosixPath(_FIELD.sub(lambda match: fields[match[1]], template))
    if relative.is_absolute() or ".." in relative.parts:
        raise ConfigError(
            f"--filename {template!r}: {relative} leads out of {out}; give a relative path"
        )
    return out / relative


def _check_collisions(planned: Sequence[PlannedTrack]) -> None:
    owners = {_key(str(_whole(track.source))): track.source for track in planned}
    sources = set(owners)
    problems = []
    for track in planned:
        for path in track.stems.values():
            key = _key(str(_whole(path)))
            other = owners.setdefault(key, track.source)
            if key in sources:
                problems.append(f"{path} would replace an input")
            elif other != track.source:
                problems.append(f"{other} and {track.source} would share {path}")
    if problems:
        shown = "; ".join(problems[:5])
        raise ConfigError(
            f"{len(problems)} stems need another place, change -o or --filename: {shown}"
        )
