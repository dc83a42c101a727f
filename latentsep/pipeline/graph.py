"""The Ray Data calls of a job, all of them."""

import logging
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray
import ray.data
from ray.data.exceptions import ExecutionTimeoutError, SystemException

from latentsep.errors import ClusterError, ConfigError, LatentsepError
from latentsep.pipeline.cluster import WorkerPool
from latentsep.pipeline.ray_recorder import RayRecorder
from latentsep.pipeline.starts import StartCounter
from latentsep.pipeline.worker import SeparatorWorker, WorkerSpec

CALLS_PER_WORKER = 2
"""Blocks whose tracks share a worker's batches; the end of one leaves no hole."""
QUEUED_PER_WORKER = 2 * CALLS_PER_WORKER
READ_ROWS = 20_000
"""Rows of the manifest that travel together until they are cut into blocks."""
START_RETRIES = 10
"""Workers in a row that may die while they start: spot machines do."""


def outcome_blocks(
    todo: pa.Table,
    worker: type[SeparatorWorker],
    spec: WorkerSpec,
    pool: WorkerPool,
    starts_name: str,
) -> Iterator[pa.Table]:
    """Spread a manifest over a pool of workers; their outcome tables as they come.

    A block runs again when its worker or node dies, so a row may come twice, and the caller has to
    look at the ids.

    Raises:
        ConfigError: a worker cannot start: no such model or device on its node.
        ClusterError: the cluster gave up, or a worker failed outside of any track.
    """
    todo = dealt(todo, block_rows(todo.num_rows, spec, pool), pool.workers * QUEUED_PER_WORKER)
    timeout_s = no_progress_timeout_s(todo, spec, pool)
    _set_up(timeout_s)
    try:
        yield from _stream(todo, worker, spec, pool, starts_name)
    except ExecutionTimeoutError as error:
        raise ClusterError(
            f"the cluster gave up: no block ended for {timeout_s:g} s; if the tracks are so long, "
            "set workers.no_progress_timeout_s higher or workers.tracks_per_block lower, else look "
            "for what hangs; what was committed stands, run the same command again to go on"
        ) from error
    except (ray.exceptions.RayError, SystemException) as error:
        raise _explained(error) from error


def _stream(
    todo: pa.Table,
    worker: type[SeparatorWorker],
    spec: WorkerSpec,
    pool: WorkerPool,
    starts_name: str,
) -> Iterator[pa.Table]:
    pieces = [todo.slice(start, READ_ROWS) for start in range(0, todo.num_rows, READ_ROWS)]
    starts_of = partial(_RemoteStarts, starts_name)
    dataset = (
        ray.data.from_arrow(pieces)
        .repartition(target_num_rows_per_block=block_rows(todo.num_rows, spec, pool))
        .map_batches(
            worker,
            fn_constructor_kwargs={
                "spec": spec,
                "starts_of": starts_of,
                "recorder_of": RayRecorder,
            },
            batch_size=None,
            batch_format="pyarrow",
            num_cpus=pool.cpus,
            num_gpus=pool.gpus or None,
            compute=ray.data.ActorPoolStrategy(
                size=pool.workers,
                max_tasks_in_flight_per_actor=QUEUED_PER_WORKER,
                max_concurrent_calls_per_actor=CALLS_PER_WORKER,
                enable_true_multi_threading=True,
            ),
        )
    )
    yield from dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)


def block_rows(tracks: int, spec: WorkerSpec, pool: WorkerPool) -> int:
    """Tracks of one block: as configured, but so few that every worker gets its share."""
    share = -(-tracks // (pool.workers * QUEUED_PER_WORKER))
    return max(1, min(spec.config.workers.tracks_per_block, share))


def dealt(todo: pa.Table, rows: int, blocks: int) -> pa.Table:
    """The table in an order in which blocks that are worked on together are about equally long.

    Long tracks come first, so cut as they are the longest would all be in one block, and so with
    one worker. They are dealt out, as cards are, over the next ``blocks`` blocks of ``rows`` rows.
    """
    order = np.arange(todo.num_rows)
    for start in range(0, todo.num_rows, rows * blocks):
        stretch = order[start : start + rows * blocks]
        hand = np.arange(len(stretch)) % -(-len(stretch) // rows)
        order[start : start + rows * blocks] = stretch[np.argsort(hand, kind="stable")]
    return todo.take(order)


def no_progress_timeout_s(todo: pa.Table, spec: WorkerSpec, pool: WorkerPool) -> float:
    """As configured, but no less than the audio of the longest block, which is the first one."""
    first = todo.column("duration_s").slice(0, block_rows(todo.num_rows, spec, pool))
    return max(spec.config.workers.no_progress_timeout_s, pc.sum(first).as_py() or 0.0)


def start_counter(name: str) -> Any:  # noqa: ANN401 - a Ray actor's handle
    """The named actor that outlives the workers; on the driver's node, and ends with the driver."""
    here = ray.get_runtime_context().get_node_id()
    strategy = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(here, soft=False)
    actor: Any = ray.remote(StartCounter)
    return actor.options(name=name, num_cpus=0, scheduling_strategy=strategy).remote()


class _RemoteStarts:
    """``Starts`` by way of the named actor."""

    def __init__(self, name: str) -> None:
        self._actor: Any = ray.get_actor(name)

    def counts(self, track_ids: Sequence[str]) -> dict[str, int]:
        reply: Any = self._actor.counts.remote(list(track_ids))
        counts: dict[str, int] = ray.get(reply)
        return counts

    def begin(self, track_id: str) -> None:
        # Nobody waits for the answer: it costs a tenth of that, and the order is kept.
        self._actor.begin.remote(track_id)

    def end(self, track_id: str) -> None:
        self._actor.end.remote(track_id)


def _explained(error: Exception) -> LatentsepError:
    """What Ray's error means; a worker's own words where it had any."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConfigError):
            return ConfigError(str(cause))
        cause = cause.__cause__
    last = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
    return ClusterError(
        f"the cluster gave up ({type(error).__name__}): {last}; what was committed stands, "
        "run the same command again to go on"
    )


def _set_up(timeout_s: float) -> None:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.max_consecutive_actor_init_deaths = START_RETRIES
    context.execution_no_progress_timeout_s = timeout_s
    logging.getLogger("ray.data").setLevel(logging.ERROR)
