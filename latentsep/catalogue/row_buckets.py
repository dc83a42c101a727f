"""Rows of the ledger sorted into the fan-out folders of their stems, on the local disk."""

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from latentsep.catalogue.track_ids import fan_out


class RowBuckets:
    """Takes tables in any order and gives the rows of one fan-out folder back at a time.

    So a ledger of any length is compared with a listing in the memory of one part of the ledger,
    or of a 256th of all rows.

    Attributes:
        rows: how many were added.
    """

    def __init__(self, folder: Path) -> None:
        self.rows = 0
        self._folder = folder
        self._writers: dict[str, pa.ipc.RecordBatchStreamWriter] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def add(self, rows: pa.Table) -> None:
        """Sort rows in; all tables have the same columns, with ``track_id`` among them."""
        rows = rows.replace_schema_metadata(None)
        self.rows += rows.num_rows
        names = pa.array([fan_out(track_id) for track_id in rows.column("track_id").to_pylist()])
        order = pc.sort_indices(names)
        rows, names = rows.take(order), names.take(order)
        start = 0
        for run in pc.run_end_encode(names).run_ends.to_pylist() if len(names) else ():
            self._write(names[start].as_py(), rows.slice(start, run - start))
            start = run

    def take(self, name: str) -> pa.Table | None:
        """Rows of one folder, which are gone from here afterwards; None if there are none."""
        self._close()
        path = self._path(name)
        if not path.exists():
            return None
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
            rows = reader.read_all()
        path.unlink()
        return rows

    def names(self) -> Iterable[str]:
        """The folders that still have rows, sorted."""
        return sorted(path.stem for path in self._folder.glob("*.arrows"))

    def _write(self, name: str, rows: pa.Table) -> None:
        if name not in self._writers:
            self._writers[name] = pa.ipc.new_stream(str(self._path(name)), rows.schema)
        self._writers[name].write_table(rows)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.arrows"

    def _close(self) -> None:
        while self._writers:
            self._writers.popitem()[1].close()
