"""An engine without Ray and without audio, for tests of the driver."""

from contextlib import contextmanager

from outcome_rows import rejected, result_row

from latentsep.pipeline.cluster import WorkerPool
from latentsep.pipeline.rows import Outcome, manifest_rows, outcome_table

POOL = WorkerPool(workers=1, cpus=1, gpus=0, tracks_in_flight=1)


class FakeEngine:
    """Makes a result for every track; subclasses do otherwise.

    Attributes:
        rounds: the ids that were asked for, round by round.
        is_open: whether the workers are there.
    """

    block_rows = 2

    def __init__(self):
        self.rounds = []
        self.is_open = False

    @contextmanager
    def opened(self, is_leaving):
        self.is_open = True
        try:
            yield POOL
        finally:
            self.is_open = False

    def outcomes(self, todo, spec, pool):
        assert self.is_open
        self.rounds.append(todo.column("track_id").to_pylist())
        for start in range(0, todo.num_rows, self.block_rows):
            yield from self.blocks(todo.slice(start, self.block_rows))

    def blocks(self, block):
        yield outcome_table(block, [self.outcome(row) for row in manifest_rows(block)])

    def outcome(self, row):
        if row.track_id.startswith("bad"):
            return rejected(row.track_id)
        return Outcome(result=result_row(row.track_id))
