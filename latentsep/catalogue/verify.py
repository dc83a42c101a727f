"""Compares the ledger with the objects: every row has its stems, and every stem its row."""

import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa

from latentsep.catalogue.ledger import read_rejects, read_results
from latentsep.catalogue.open_rejects import forgotten_ids
from latentsep.catalogue.problems import Problems
from latentsep.catalogue.row_buckets import RowBuckets
from latentsep.catalogue.schema import STEM_NAMES
from latentsep.catalogue.stem_content import ExpectedStem, StemReader
from latentsep.catalogue.stem_objects import key_in_output, objects_by_fan_out, place_of
from latentsep.errors import LedgerError
from latentsep.storage.base import ObjectInfo, Store

READERS = 8
"""Stems read at once; as many copies lie on the local disk if the output is elsewhere."""

_PER_STEM = [f"{stem}_stem_{part}" for stem in STEM_NAMES for part in ("uri", "bytes", "sha256")]
_COLUMNS = ["track_id", *_PER_STEM, "stem_codec", "stem_sample_rate_hz", "stem_frames"]
_ROW_NUMBER = "row_number"

OnDone = Callable[[int, int], None]
"""Told how many result rows were compared, and of how many."""

FindProblems = Callable[[list[ExpectedStem]], Iterator[tuple[str, str] | None]]


@dataclass(frozen=True)
class VerifyOptions:
    """How thoroughly, and what then.

    Attributes:
        content: read the stems and compare digests and headers; otherwise a listing is enough.
        sample: read the stems of so many tracks, drawn at random; of all if None.
        clean: remove objects that no row names. The caller holds the lease.
        may_go_on: asked before objects are removed; the lease may be lost.
    """

    content: bool = True
    sample: int | None = None
    clean: bool = False
    may_go_on: Callable[[], bool] = lambda: True


@dataclass
class ObjectCount:
    """Objects and their size together."""

    objects: int = 0
    bytes: int = 0

    def add(self, info: ObjectInfo) -> None:
        """One more."""
        self.objects += 1
        self.bytes += info.bytes


@dataclass
class VerifyReport:
    """What was found.

    Attributes:
        rows: results in the ledger.
        rows_read: results whose stems were read and compared.
        problems: what is wrong; orphans are not, every interrupted attempt may leave some.
        orphans: objects of attempts that no row names.
        removed: those of them that were removed; tracks whose rows lack something keep theirs.
        foreign: objects below ``stems/`` that no job wrote; they are never removed.
    """

    rows: int = 0
    rows_read: int = 0
    problems: Problems = field(default_factory=Problems)
    orphans: ObjectCount = field(default_factory=ObjectCount)
    removed: ObjectCount = field(default_factory=ObjectCount)
    foreign: ObjectCount = field(default_factory=ObjectCount)


def verify(store: Store, options: VerifyOptions, random: Random, on_done: OnDone) -> VerifyReport:
    """Compare all rows of an output with its objects.

    Memory holds one part of the ledger and a 256th of the rows and of the listing, whatever the
    size of the catalogue; the temporary folder holds about 400 bytes for each row. A part of the
    ledger that is missing or damaged is a problem, and nothing is compared or removed then: its
    stems would look as if no row named them.

    Args:
        store: the output.
        options: how thoroughly.
        random: draws the sample.
        on_done: told about the progress.

    Raises:
        StoreError: the store cannot be asked now.
    """
    report = VerifyReport()
    with (
        tempfile.TemporaryDirectory(prefix="latentsep-verify-") as name,
        RowBuckets(Path(name)) as buckets,
    ):
        try:
            forgotten = _read_ledger(store, buckets)
        except LedgerError as error:
            report.problems.add("ledger", "", str(error))
            return report
        report.rows = buckets.rows
        with _readers(StemReader(store, Path(name))) as find_problems:
            check = _Check(store, options, report, find_problems, frozenset(forgotten))
            check.draw_sample(random)
            for rows, objects in _folders(store, buckets):
                check.folder(rows, objects)
                on_done(check.rows_done, report.rows)
    return report


def _read_ledger(store: Store, buckets: RowBuckets) -> list[str]:
    """Sort the result rows into buckets, see that the rejects can be read; ids forgotten."""
    for part in read_results(store, _COLUMNS):
        numbers = pa.array(range(buckets.rows, buckets.rows + part.num_rows), pa.int64())
        buckets.add(part.append_column(_ROW_NUMBER, numbers))
    for _ in read_rejects(store, ["track_id"]):
        pass
    ids: list[str] = forgotten_ids(store).to_pylist()
    return ids


@contextmanager
def _readers(reader: StemReader) -> Iterator[FindProblems]:
    """Threads that read stems; an error ends them without reading what is left."""
    pool = ThreadPoolExecutor(READERS, thread_name_prefix="latentsep-verify")
    try:
        yield lambda stems: pool.map(reader.problem, stems)
    finally:
        pool.shutdown(cancel_futures=True)
        reader.close()


def _folders(
    store: Store, buckets: RowBuckets
) -> Iterator[tuple[list[dict[str, Any]], list[ObjectInfo]]]:
    """Rows and objects of one fan-out folder after the other."""
    for name, objects in objects_by_fan_out(store):
        yield _rows(buckets.take(name)), objects
    for name in buckets.names():
        yield _rows(buckets.take(name)), []


def _rows(table: pa.Table | None) -> list[dict[str, Any]]:
    return [] if table is None else table.to_pylist()


class _Check:
    """Compares folder by folder."""

    def __init__(
        self,
        store: Store,
        options: VerifyOptions,
        report: VerifyReport,
        find_problems: FindProblems,
        forgotten: Collection[str],
    ) -> None:
        self._store, self._options, self._report = store, options, report
        self._find_problems, self._forgotten = find_problems, forgotten
        self._sampled: Collection[int] | None = None
        self._unsure: set[str] = set()
        self.rows_done = 0

    def draw_sample(self, random: Random) -> None:
        """Choose the rows whose stems are read."""
        rows, sample = self._report.rows, self._options.sample
        if sample is not None:
            self._sampled = frozenset(random.sample(range(rows), min(sample, rows)))

    def folder(self, rows: list[dict[str, Any]], objects: list[ObjectInfo]) -> None:
        """Compare the rows of one folder with its objects."""
        sizes = {info.key: info.bytes for info in objects}
        self._unsure.clear()
        self._ids(rows)
        named: set[str] = set()
        to_read: list[ExpectedStem] = []
        for row in rows:
            stems = self._stems_of(row)
            named.update(stem.key for stem in stems)
            whole = [stem for stem in stems if self._is_listed(stem, sizes)]
            if self._is_to_read(row):
                self._report.rows_read += 1
                to_read += whole
        self._contents(to_read)
        self._unnamed([info for info in objects if info.key not in named])
        self.rows_done += len(rows)

    def _ids(self, rows: list[dict[str, Any]]) -> None:
        counts = Counter(row["track_id"] for row in rows)
        for track_id, count in counts.items():
            if count > 1:
                self._problem("duplicate", track_id, f"has {count} result rows instead of one")
            if track_id in self._forgotten:
                self._problem(
                    "forgotten", track_id, "was taken down and has a row; run `forget` again"
                )

    def _stems_of(self, row: dict[str, Any]) -> list[ExpectedStem]:
        lacking = [name for name in _COLUMNS if row[name] is None]
        if lacking:
            self._problem("ledger", row["track_id"], f"its row has no {', '.join(lacking)}")
            self._unsure.add(row["track_id"])
            return []
        return [_expected(row, stem) for stem in STEM_NAMES]

    def _is_listed(self, stem: ExpectedStem, sizes: dict[str, int]) -> bool:
        found = sizes.get(stem.key)
        if found is None:
            self._stem_problem(stem, "missing", "there is no such object")
            self._unsure.add(stem.track_id)
        elif found != stem.bytes:
            self._stem_problem(stem, "size", f"has {found} bytes, the row says {stem.bytes}")
        return found == stem.bytes

    def _is_to_read(self, row: dict[str, Any]) -> bool:
        if not self._options.content:
            return False
        return self._sampled is None or row[_ROW_NUMBER] in self._sampled

    def _contents(self, stems: list[ExpectedStem]) -> None:
        for stem, found in zip(stems, self._find_problems(stems), strict=True):
            if found is not None:
                self._stem_problem(stem, *found)

    def _unnamed(self, objects: list[ObjectInfo]) -> None:
        of_forgotten: Counter[str] = Counter()
        removable = []
        for info in objects:
            place = place_of(info.key)
            if place is None:
                self._report.foreign.add(info)
                continue
            self._report.orphans.add(info)
            of_forgotten[place.track_id] += place.track_id in self._forgotten
            # The attempt that its row should name may be among them.
            if place.track_id not in self._unsure:
                removable.append(info)
        if not self._has_removed(removable):
            for track_id, count in (+of_forgotten).items():
                text = f"was taken down and has {count} objects; run `forget` again"
                self._problem("forgotten", track_id, text)

    def _has_removed(self, orphans: list[ObjectInfo]) -> bool:
        if not (self._options.clean and orphans and self._options.may_go_on()):
            return False
        self._store.delete(info.key for info in orphans)
        for info in orphans:
            self._report.removed.add(info)
        return True

    def _stem_problem(self, stem: ExpectedStem, kind: str, text: str) -> None:
        self._problem(kind, stem.track_id, f"{self._store.uri_of(stem.key)}: {text}")

    def _problem(self, kind: str, track_id: str, text: str) -> None:
        self._report.problems.add(kind, track_id, text)


def _expected(row: dict[str, Any], stem: str) -> ExpectedStem:
    return ExpectedStem(
        track_id=row["track_id"],
        key=key_in_output(row[f"{stem}_stem_uri"]),
        bytes=row[f"{stem}_stem_bytes"],
        sha256=row[f"{stem}_stem_sha256"],
        codec=row["stem_codec"],
        sample_rate_hz=row["stem_sample_rate_hz"],
        frames=row["stem_frames"],
    )
