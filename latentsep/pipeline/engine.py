"""Where the blocks of a job are done."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import pyarrow as pa

from latentsep.pipeline.cluster import WorkerPool, cluster
from latentsep.pipeline.job_config import WorkerConfig
from latentsep.pipeline.worker import SeparatorWorker, WorkerSpec


class Engine(Protocol):
    """Spreads a manifest over workers. Rows may come twice, or not at all: the driver looks."""

    def opened(self, is_leaving: Callable[[], bool]) -> AbstractContextManager[WorkerPool]:
        """Have the workers' machines; ``is_leaving`` says that the process ends right away."""

    def outcomes(self, todo: pa.Table, spec: WorkerSpec, pool: WorkerPool) -> Iterator[pa.Table]:
        """Outcome tables of a manifest's rows, see ``rows.outcome_table``, as they come."""


class RayEngine:
    """Ray Data over the cluster at an address, or over one of this process alone.

    Args:
        address: ``auto``, ``HOST:PORT`` or None, see ``cluster``.
        workers: what the user wants of the pool.
        worker: does the blocks; another one where the engine alone is looked at.
    """

    def __init__(
        self,
        address: str | None,
        workers: WorkerConfig,
        worker: type[SeparatorWorker] = SeparatorWorker,
    ) -> None:
        self._address = address
        self._workers = workers
        self._worker = worker
        self._starts_name = f"latentsep-starts-{secrets.token_hex(8)}"

    @contextmanager
    def opened(self, is_leaving: Callable[[], bool]) -> Iterator[WorkerPool]:
        """See ``Engine``; the counter of starts lives as long."""
        with cluster(self._address, self._workers, is_leaving=is_leaving) as pool:
            # Not before: what the environment says about tokens has to be there first.
            from latentsep.pipeline.graph import start_counter

            counter = start_counter(self._starts_name)
            yield pool
            del counter

    def outcomes(self, todo: pa.Table, spec: WorkerSpec, pool: WorkerPool) -> Iterator[pa.Table]:
        """See ``Engine`` and ``graph.outcome_blocks``."""
        from latentsep.pipeline.graph import outcome_blocks

        return outcome_blocks(todo, self._worker, spec, pool, self._starts_name)
