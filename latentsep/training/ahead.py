"""The next batch is drawn while the last one is learned from."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from torch import Tensor

from latentsep.training.task import Task


class BatchAhead:
    """Draws batches one ahead, in a thread; they are the same as without it.

    Attributes:
        state: of the generator before the batch that ``take`` returns next, as JSON: what a
            checkpoint has to keep.
    """

    def __init__(self, task: Task, rng: np.random.Generator) -> None:
        self._task = task
        self._rng = rng
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batch")
        self._draw()

    def take(self) -> tuple[Tensor, ...]:
        """The next batch; the one after it begins to be drawn."""
        batch = self._pending.result()
        self._draw()
        return batch

    def close(self) -> None:
        """Wait for the batch that nobody will take, and end the thread."""
        self._thread.shutdown()

    def _draw(self) -> None:
        self.state = json.dumps(self._rng.bit_generator.state)
        self._pending = self._thread.submit(self._task.batch, self._rng)
