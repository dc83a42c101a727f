"""From what the user typed to a list of files, and a place for each stem."""

import glob
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from latentsep.errors import ConfigError
from latentsep.pipeline.store import STEM_NAMES

AUDIO_EXTENSIONS = frozenset(
    [
        ".aac",
        ".ac3",
        ".aif",
        ".aifc",
        ".aiff",
        ".alac",
        ".amr",
        ".ape",
        ".au",
        ".avi",
        ".caf",
        ".dff",
        ".dsf",
        ".flac",
        ".flv",
        ".m4a",
        ".m4b",
        ".m4v",
        ".mka",
        ".mkv",
        ".mov",
        ".mp2",
        ".mp3",
        ".mp4",
        ".mpc",
        ".mpeg",
        ".mpg",
        ".oga",
        ".ogg",
        ".ogv",
        ".opus",
        ".ra",
        ".rf64",
        ".snd",
        ".tta",
        ".ts",
        ".w64",
        ".wav",
        ".wave",
        ".weba",
        ".webm",
        ".wma",
        ".wmv",
        ".wv",
    ]
)
MANIFEST_EXTENSIONS = frozenset({".parquet", ".csv", ".jsonl"})
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


def expand_inputs(inputs: Sequence[str], out: Path) -> list[InputFile]:
    """Files, folders (recursive, audio extensions only) and glob patterns to files, each once.

    What lies below ``out`` in a folder is left out: it is the stems of an earlier run.

    Raises:
        ConfigError: a folder or pattern holds nothing, or an input is of a kind not supported here.
    """
    found: dict[Path, InputFile] = {}
    for text in inputs:
        for file in _expand(text, out):
            found.setdefault(file.path.absolute(), file)
    return list(found.values())


def plan_outputs(
    files: Sequence[InputFile], out: Path, template: str, model: str, extension: str
) -> list[PlannedTrack]:
    """Give every stem a path of its own below ``out``.

    A track is named by its base name; where several would share one, by its path below the folder
    the user named; then with its extension too; then by its whole path.

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


def _expand(text: str, out: Path) -> list[InputFile]:
    if _SCHEME.match(text) or Path(text).suffix.lower() in MANIFEST_EXTENSIONS:
        raise ConfigError(
            f"{text}: manifests and object stores are not supported yet; "
            "give audio files, folders or globs"
        )
    path = Path(text)
    if path.is_dir():
        files = _folder(path, out)
    elif path.exists() or not glob.has_magic(text):
        # A missing or unreadable file is that track's failure, not the end of the others.
        files = [InputFile(path, PurePosixPath(path.name))]
    else:
        files = _pattern(text, out)
    if not files:
        raise ConfigError(f"{text}: no audio file found there")
    return files


def _folder(folder: Path, out: Path) -> list[InputFile]:
    files = sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in AUDIO_EXTENSIONS
        and not file.name.startswith(".")
        and file.is_file()
        and not file.absolute().is_relative_to(out.absolute())
    )
    return [InputFile(file, PurePosixPath(file.relative_to(folder).as_posix())) for file in files]


def _pattern(text: str, out: Path) -> list[InputFile]:
    files = []
    for match in sorted(glob.glob(text, recursive=True)):  # noqa: PTH207 - pathlib has no absolute patterns
        path = Path(match)
        files += (
            _folder(path, out) if path.is_dir() else [InputFile(path, PurePosixPath(path.name))]
        )
    return files


def _track_names(files: Sequence[InputFile]) -> list[str]:
    names = [file.relative.stem for file in files]
    longer: list[Callable[[InputFile], str]] = [
        lambda file: str(file.relative.with_suffix("")),
        lambda file: str(file.relative),
        lambda file: str(PurePosixPath(*file.path.absolute().parts[1:])),
    ]
    for rename in longer:
        # Case is folded: some file systems do not tell A from a.
        counts = Counter(name.casefold() for name in names)
        shared = [counts[name.casefold()] > 1 for name in names]
        names = [
            rename(file) if is_shared else name
            for file, name, is_shared in zip(files, names, shared, strict=True)
        ]
    return names


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
    owners = {str(track.source.absolute()).casefold(): track.source for track in planned}
    sources = set(owners)
    problems = []
    for track in planned:
        for path in track.stems.values():
            key = str(path.absolute()).casefold()
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
