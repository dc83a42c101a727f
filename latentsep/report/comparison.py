"""This run against an earlier one: the same tracks, measured in both."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from latentsep.catalogue.ledger_parts import RESULTS
from latentsep.catalogue.ledger_state import without_ids
from latentsep.catalogue.open_rejects import ROWS_AT_ONCE, forgotten_ids
from latentsep.catalogue.output import open_output
from latentsep.catalogue.run_identity import RunRecord, changes, read_run
from latentsep.catalogue.status import COUNTED_COLUMNS, ResultCount
from latentsep.errors import ConfigError, LedgerError, StoreError
from latentsep.report.counted import values_of
from latentsep.report.course import course_of, realtime_factor_of
from latentsep.report.document import Comparison, Course, Difference, Measure
from latentsep.report.histogram import Histogram, Values
from latentsep.report.measures import OF_SEPARATION
from latentsep.report.part_feed import PartFeed
from latentsep.storage import Store, StoreSettings

FINE_BINS = 2_000
NOTABLE = 0.01
"""Of a measure's range: a value that moved by more is another one."""
_COMPARED = tuple(measure.column for measure in OF_SEPARATION)
_COLUMNS = tuple(dict.fromkeys((*COUNTED_COLUMNS, *_COMPARED)))
_SCHEMA = pa.schema([("track_id", pa.string()), *((name, pa.float32()) for name in _COMPARED)])


class EarlierRun:
    """The output that is compared with, read once; some 160 bytes of memory for each track.

    Attributes:
        uri: where it lies.
        run: what it says of itself; None if it does not.
        rows: ``track_id`` and the measures of its results.
        problems: one line for each part of it that cannot be read.

    Raises:
        LedgerError: its ``run.json`` or its record of what was taken down is damaged.
        StoreError: it cannot be read now.
    """

    def __init__(self, store: Store) -> None:
        self.uri = store.uri
        self.run = read_run(store)
        count, parts = ResultCount(), [_SCHEMA.empty_table()]
        feed, forgotten = PartFeed(store, RESULTS, _COLUMNS), forgotten_ids(store)
        feed.look()
        for _, part in feed.new():
            rows = without_ids(part, forgotten)
            count.add(rows)
            parts.append(_slim(rows))
        self.rows = pa.concat_tables(parts)
        self.problems = tuple(feed.problems)
        course = course_of(count, {}, self.run.created_at if self.run else None)
        self.realtime_factor = realtime_factor_of(course)


def open_earlier(uri: str, settings: StoreSettings, output: Store) -> EarlierRun | str:
    """The earlier run at a URI; a line for people if ``output`` cannot be compared with it."""
    try:
        store = open_output(uri, settings)
        if store.uri == output.uri:
            return f"{uri} is this output itself; give that of an earlier run"
        return EarlierRun(store)
    except (ConfigError, LedgerError, StoreError) as error:
        return f"{uri} cannot be compared with: {error}"


class ComparedResults:
    """Results of this run, each beside that of the earlier run for the same track."""

    def __init__(self, earlier: EarlierRun) -> None:
        self._earlier = earlier
        self._moved = [_Moved(measure) for measure in OF_SEPARATION]
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        self._rows = self._common = 0

    def add(self, rows: pa.Table) -> None:
        """More results of this run, with the measures among their columns."""
        self._waiting.append(_slim(rows))
        self._waiting_rows += rows.num_rows
        if self._waiting_rows >= ROWS_AT_ONCE:
            self._look_through()

    def comparison(self, against: str, run: RunRecord | None, course: Course | None) -> Comparison:
        """What came out so far.

        Args:
            against: what the user calls the earlier output.
            run: this one.
            course: of this run.
        """
        self._look_through()
        if not self._common:
            return Comparison(against, problem=self._nothing_common(against))
        earlier = self._earlier
        differences = (moved.difference() for moved in self._moved)
        return Comparison(
            against=against,
            identity_changes=changes(
                earlier.run.identity if earlier.run else {}, run.identity if run else {}
            ),
            common_tracks=self._common,
            only_here=self._rows - self._common,
            only_there=earlier.rows.num_rows - self._common,
            differences=tuple(each for each in differences if each is not None),
            before_realtime_factor=earlier.realtime_factor,
            after_realtime_factor=realtime_factor_of(course),
        )

    def _nothing_common(self, against: str) -> str:
        there = self._earlier.rows.num_rows
        if not self._rows or not there:
            which = "this run" if there else against
            return f"{which} has no results yet, so there is nothing to compare"
        return (
            f"{against} cannot be compared: none of its {there:,} tracks is among the "
            f"{self._rows:,} here; give an output of the same manifest"
        )

    def _look_through(self) -> None:
        """Find the waiting tracks in the earlier run, all at once."""
        if not self._waiting:
            return
        here, there = pa.concat_tables(self._waiting), self._earlier.rows
        self._waiting, self._waiting_rows = [], 0
        self._rows += here.num_rows
        ids = there.column("track_id").combine_chunks()
        places = pc.index_in(here.column("track_id"), value_set=ids)
        here, there = here.filter(places.is_valid()), there.take(places.drop_null())
        self._common += here.num_rows
        for name, moved in zip(_COMPARED, self._moved, strict=True):
            moved.add(values_of(there, name), values_of(here, name))


class _Moved:
    """How a measure moved on the tracks that have it in both runs."""

    def __init__(self, measure: Measure) -> None:
        self._measure = measure
        self._before, self._after = Histogram(measure, FINE_BINS), Histogram(measure, FINE_BINS)
        self._up = self._down = 0

    def add(self, before: Values, after: Values) -> None:
        """Values of the same tracks, in the same order."""
        both = np.isfinite(before) & np.isfinite(after)
        self._before.add(before[both])
        self._after.add(after[both])
        moved = after[both] - before[both]
        least = NOTABLE * (self._measure.high - self._measure.low)
        self._up += int(np.count_nonzero(moved > least))
        self._down += int(np.count_nonzero(moved < -least))

    def difference(self) -> Difference | None:
        """None if no track has it in both."""
        if not self._before.total:
            return None
        is_low_better = self._measure.better == "low"
        return Difference(
            measure=self._measure,
            tracks=self._before.total,
            before=self._before.quantile(0.5),
            after=self._after.quantile(0.5),
            better=self._down if is_low_better else self._up,
            worse=self._up if is_low_better else self._down,
        )


def _slim(rows: pa.Table) -> pa.Table:
    return rows.select(_SCHEMA.names).replace_schema_metadata(None).cast(_SCHEMA)
