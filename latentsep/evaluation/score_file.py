"""Scores of every system on every song as a table on disk."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from latentsep.errors import ConfigError
from latentsep.evaluation.scoring import SongScores, metric_names

WRITERS: dict[str, Callable[[pa.Table, Path], None]] = {
    ".csv": pyarrow.csv.write_csv,
    ".parquet": pyarrow.parquet.write_table,
}
SCHEMA = pa.schema(
    [
        ("song", pa.string()),
        ("system", pa.string()),
        ("duration_s", pa.float64()),
        ("mixture_error_db", pa.float64()),
        ("excerpt_start_s", pa.float64()),
        *((name, pa.float64()) for name in metric_names()),
        ("bss_frames", pa.int64()),
        ("bss_undefined_frames", pa.int64()),
    ]
)


def check_score_file(file: Path) -> None:
    """Refuse a file that cannot be written, before any work.

    Raises:
        ConfigError: the ending is unknown, or the folder is not there.
    """
    if file.suffix.lower() not in WRITERS:
        raise ConfigError(f"{file}: scores are written as {' or '.join(WRITERS)}, by the ending")
    if not file.parent.is_dir():
        raise ConfigError(f"{file.parent} is no folder; make it first")


def write_scores(file: Path, songs: Iterable[SongScores]) -> None:
    """One row for each system and song; what is undefined is empty.

    Raises:
        ConfigError: the file cannot be written.
    """
    rows = [row for song in songs for row in song.rows()]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    try:
        WRITERS[file.suffix.lower()](table, file)
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error}") from error
