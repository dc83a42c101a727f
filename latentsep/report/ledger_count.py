"""What the ledger of an output says, counted further at each look."""

import pyarrow as pa
import pyarrow.parquet as pq

from latentsep.catalogue.ledger_parts import REJECTS, RESULTS, read_part
from latentsep.catalogue.ledger_state import without_ids
from latentsep.catalogue.open_rejects import forgotten_ids
from latentsep.errors import LedgerError
from latentsep.report import counted, reject_count
from latentsep.report.comparison import ComparedResults, EarlierRun
from latentsep.report.counted import CountedResults
from latentsep.report.part_feed import PartFeed
from latentsep.report.reject_count import RejectCount
from latentsep.storage import Store


class LedgerCount:
    """Counts the ledger; a look reads only parts that are new. Memory does not grow with results.

    Attributes:
        results, rejects: the counts.
        compared: with the earlier run; None without one.
        forgotten: ids of the tracks that were taken down; none of them is counted.
        model, model_licence: as the last results tell.
        problems: one line for each thing that could not be read at the last look.
    """

    def __init__(self, store: Store, earlier: EarlierRun | None) -> None:
        self._store, self._earlier = store, earlier
        self.forgotten = pa.array([], pa.string())
        self.problems: list[str] = []
        self._start_over()

    def look(self) -> None:
        """Count what came since the last look; everything, if rows went meanwhile.

        Raises:
            StoreError: the parts cannot be listed now.
        """
        self.problems = []
        # Rejects are listed first: a track that is finished in between is then among the results.
        is_same = all([self._is_record_same(), self._reject_feed.look(), self._result_feed.look()])
        if not is_same:
            self._start_over()
            self._reject_feed.look()
            self._result_feed.look()
        self.rejects.add(self._reject_feed.new(), self.forgotten)
        keys = [self._added(key, part) for key, part in self._result_feed.new()]
        if keys:
            self._look_closer(keys[0], keys[-1])
        self.problems += [
            *self._older_problems(), *self._result_feed.problems, *self._reject_feed.problems
        ]  # fmt: skip

    def _start_over(self) -> None:
        self.results, self.rejects = CountedResults(), RejectCount()
        self.compared = None if self._earlier is None else ComparedResults(self._earlier)
        self.model: str | None = None
        self.model_licence: str | None = None
        self._lacking: set[str] = set()
        self._result_feed = PartFeed(self._store, RESULTS, counted.COLUMNS)
        self._reject_feed = PartFeed(self._store, REJECTS, reject_count.COLUMNS)

    def _is_record_same(self) -> bool:
        try:
            forgotten = forgotten_ids(self._store)
        except LedgerError as error:
            self.problems.append(str(error))
            return True
        is_same = len(forgotten) == len(self.forgotten)
        self.forgotten = forgotten
        return is_same

    def _added(self, key: str, part: pa.Table) -> str:
        rows = without_ids(part, self.forgotten)
        self.rejects.settle(rows.column("track_id"))
        self.results.add(key, rows)
        if self.compared is not None:
            self.compared.add(rows)
        return key

    def _look_closer(self, first: str, last: str) -> None:
        """See which columns the new parts lack, and which model made them."""
        try:
            for key in {first, last}:
                with self._store.open(key) as stream:
                    names = pq.read_schema(stream).names
                self._lacking |= {name for name in counted.COLUMNS if name not in names}
            rows = read_part(self._store, RESULTS, last, ["model_name", "model_licence"])
        except LedgerError as error:
            self.problems.append(str(error))
            return
        for row in rows.slice(0, 1).to_pylist():
            self.model, self.model_licence = row["model_name"], row["model_licence"]

    def _older_problems(self) -> list[str]:
        if not self._lacking:
            return []
        lacking = ", ".join(name for name in counted.COLUMNS if name in self._lacking)
        return [
            f"{self._store.uri}/{RESULTS.folder}/: has results of an older schema, without "
            f"{lacking}; what needs them is left out"
        ]
