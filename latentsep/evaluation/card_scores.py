"""Scores of `latentsep evaluate` as a section of a model's card."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ValidationError, field_validator, model_validator

from latentsep.errors import ConfigError
from latentsep.evaluation.summary import Median, median_text
from latentsep.models.config import explain
from latentsep.models.folder import CARD_FILE, find_model, read_model_file
from latentsep.training.card import QUALITY_HEADING

COLUMNS = {
    "vocals SDR": "vocals_sdr_db",
    "vocals SI-SDR": "vocals_si_sdr_db",
    "vocals SDR, BSSEval v4": "vocals_bss_sdr_db",
    "vocals SIR, BSSEval v4": "vocals_bss_sir_db",
    "vocals MR-STFT": "vocals_mr_stft",
    "in silence": "vocals_in_silence_db",
    "accompaniment SDR": "accompaniment_sdr_db",
}
STEP_COLUMNS = ("vocals SDR", "vocals SI-SDR", "vocals MR-STFT", "in silence")
NAMED_SONGS = 12
"""More than so many are counted and not named."""


class _Row(BaseModel):
    """One system over all songs, as in ``summary.Summary``."""

    system: str
    medians: dict[str, Median]
    realtime_factor: float | None

    @field_validator("medians")
    @classmethod
    def _has_all(cls, medians: dict[str, Median]) -> dict[str, Median]:
        missing = [name for name in COLUMNS.values() if name not in medians]
        if missing:
            raise ValueError(f"{', '.join(missing)} missing")
        return medians


class _Own(BaseModel):
    """A row that is of a model: which weights, and how many steps."""

    system: str
    sha256: str
    steps: int


class _Song(BaseModel):
    song: str


class _Options(BaseModel):
    excerpt_s: int | None


class ScoreDocument(BaseModel):
    """What of ``latentsep evaluate --output json`` goes into a card."""

    version: str
    options: _Options
    threads: int
    models: list[_Own]
    songs: list[_Song]
    medians: list[_Row]

    @model_validator(mode="after")
    def _has_rows(self) -> Self:
        rows = {row.system for row in self.medians}
        missing = [own.system for own in self.models if own.system not in rows]
        if missing:
            raise ValueError(f"no medians of {', '.join(map(repr, sorted(missing)))}")
        return self


def complete_card(model: str, score_files: Sequence[Path], note: str) -> Path:
    """Write scores into a model's card, in the place of those that it had.

    Args:
        model: a bundled name or a model folder.
        score_files: what ``latentsep evaluate --output json`` printed, at least one.
        note: machine and date, in the user's words; may be empty.

    Returns:
        The card.

    Raises:
        ModelError: no such model.
        ConfigError: a file is no such document or is of other weights, or the card is missing.
    """
    folder = find_model(model)
    digest = read_model_file(folder).weights.sha256
    parts = [_tables(read_scores(file), digest, file) for file in score_files]
    card = folder / CARD_FILE
    section = "\n\n".join([*parts, *([note] if note else [])])
    try:
        text = with_section(card.read_text(encoding="utf-8"), QUALITY_HEADING, section)
        card.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{card} cannot be completed: {error}") from error
    return card


def read_scores(file: Path) -> ScoreDocument:
    """A document of ``latentsep evaluate --output json``.

    Raises:
        ConfigError: it is none.
    """
    try:
        return ScoreDocument.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise ConfigError(
            f"{file} is no document of `latentsep evaluate --output json` of this version: "
            f"{explain(error)}"
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error


def with_section(card: str, heading: str, text: str) -> str:
    """A card whose section of second level has this text; it comes last where there was none."""
    section = f"## {heading}\n\n{text}\n"
    pattern = re.compile(rf"^## {re.escape(heading)}\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
    if not pattern.search(card):
        return f"{card.rstrip()}\n\n{section}"
    return pattern.sub(lambda _: f"{section}\n", card, count=1).rstrip() + "\n"


def _tables(document: ScoreDocument, digest: str, file: Path) -> str:
    """What was scored, all systems, and the model's own variants by their steps."""
    own = [entry for entry in document.models if entry.sha256 == digest]
    if not own:
        raise ConfigError(f"{file} has no scores of these weights; evaluate the model anew")
    rows = {row.system: row for row in document.medians}
    by_steps = sorted((entry.steps, entry.system) for entry in own)
    return "\n\n".join(
        [
            _what_was_scored(document),
            _table(["", *COLUMNS], [[name, *_cells(rows[name], COLUMNS)] for name in rows]),
            f"The same by sampler steps; speed in audio-seconds per second, {document.threads} "
            "threads, from mixture to stems in memory.",
            _table(
                ["steps", "", *STEP_COLUMNS, "speed"],
                [
                    [str(steps), name, *_cells(rows[name], STEP_COLUMNS), _speed(rows[name])]
                    for steps, name in by_steps
                ],
            ),
        ]
    )


def _what_was_scored(document: ScoreDocument) -> str:
    names = list(dict.fromkeys(song.song for song in document.songs))
    named = f": {', '.join(names)}" if len(names) <= NAMED_SONGS else ""
    excerpt_s = document.options.excerpt_s
    part = "whole songs" if excerpt_s is None else f"excerpts of {excerpt_s} s"
    return (
        f"Medians of {len(names)} songs{named}, with 95 % intervals; dB, but MR-STFT. BSSEval of "
        f"{part}. latentsep {document.version}; docs/evaluation.md says how to read it."
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cells(row: _Row, columns: Iterable[str]) -> list[str]:
    return [median_text(row.medians[COLUMNS[column]]) for column in columns]


def _speed(row: _Row) -> str:
    return "-" if row.realtime_factor is None else f"{row.realtime_factor:.1f}x"
