"""The Ray cluster of a job: a small one of its own, or the one at an address."""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass

from latentsep.errors import ConfigError
from latentsep.pipeline.job_config import WorkerConfig

CPU_WORKER_CPUS = 2
GPU_WORKER_CPUS = 4
CPU_TRACKS_IN_FLIGHT = 3
GPU_TRACKS_IN_FLIGHT = 8
EMBEDDED_OBJECT_STORE_BYTES = 128 * 1024**2
"""Rows only: no audio goes through the object store."""
SPREADER_CPUS = 1
"""Ray Data cuts the manifest into blocks with tasks of one CPU; where the workers took them all,
nothing would ever start."""


@dataclass(frozen=True)
class WorkerPool:
    """How many workers a job has and what each holds."""

    workers: int
    cpus: int
    gpus: int
    tracks_in_flight: int


@contextmanager
def cluster(
    address: str | None, workers: WorkerConfig, spare_cpus: int = SPREADER_CPUS
) -> Iterator[WorkerPool]:
    """Join the cluster at an address, or run one on this machine; leave or end it afterwards.

    Args:
        address: ``auto``, ``HOST:PORT``, or None for a cluster of this process alone.
        workers: what the user wants of the pool.
        spare_cpus: of a cluster of this process, beside those of the workers.

    Raises:
        ConfigError: the address is none that a driver can join, nobody answers there, or the
            cluster is too small for the pool.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray's C++ parts write to stderr what is of no use to whoever separates music.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import ray

    try:
        pool = _own_cluster(workers, spare_cpus) if address is None else _joined(address, workers)
        # Ray tells of dying workers on stdout, where a JSON document may be wanted.
        with redirect_stdout(sys.stderr):
            yield pool
    finally:
        ray.shutdown()


def plan_pool(workers: WorkerConfig, *, cpus: int, gpus: int) -> WorkerPool:
    """Fill in what the user left open: one worker per GPU, else as many as the CPUs allow."""
    per_worker = workers.cpus or (GPU_WORKER_CPUS if gpus else min(CPU_WORKER_CPUS, cpus))
    count = workers.count or gpus or max(1, cpus // per_worker)
    return WorkerPool(
        workers=count,
        cpus=per_worker,
        gpus=1 if gpus else 0,
        tracks_in_flight=workers.tracks_in_flight
        or (GPU_TRACKS_IN_FLIGHT if gpus else CPU_TRACKS_IN_FLIGHT),
    )


def check_pool(pool: WorkerPool, *, cpus: int, gpus: int) -> None:
    """Refuse a pool that the cluster could not hold: Ray would wait for ever.

    Raises:
        ConfigError: names what is missing.
    """
    wanted_cpus, wanted_gpus = pool.workers * pool.cpus + SPREADER_CPUS, pool.workers * pool.gpus
    if wanted_cpus > cpus or wanted_gpus > gpus:
        raise ConfigError(
            f"{pool.workers} workers of {pool.cpus} CPUs and {pool.gpus} GPUs, and "
            f"{SPREADER_CPUS} CPU to spread the work, need {wanted_cpus} CPUs and {wanted_gpus} "
            f"GPUs; the cluster has {cpus} and {gpus}: set workers.count or workers.cpus lower"
        )


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Hold back what native code writes to stderr; it is shown only if the block fails."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _own_cluster(workers: WorkerConfig, spare_cpus: int) -> WorkerPool:
    import ray

    cpus = os.cpu_count() or 1
    pool = plan_pool(workers, cpus=cpus, gpus=_local_gpus())
    with _quiet_stderr():
        ray.init(
            address="local",
            # Listens on loopback only.
            _node_ip_address="127.0.0.1",
            num_cpus=max(cpus, pool.workers * pool.cpus) + spare_cpus,
            include_dashboard=False,
            object_store_memory=EMBEDDED_OBJECT_STORE_BYTES,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    return pool


def _joined(address: str, workers: WorkerConfig) -> WorkerPool:
    import ray

    if address.startswith("ray://"):
        raise ConfigError(
            f"--address {address}: Ray Client is not supported, the driver has to run in the "
            "cluster: send the job with `latentsep submit MANIFEST -o OUT --address "
            "http://HOST:8265`"
        )
    try:
        with _quiet_stderr():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(
            f"--address {address}: no Ray cluster can be joined there: {reason}; start one with "
            "`ray start --head`, or leave --address out for this machine alone"
        ) from error
    return _pool_of_cluster(workers)


def _pool_of_cluster(workers: WorkerConfig) -> WorkerPool:
    import ray

    resources = ray.cluster_resources()  # type: ignore[no-untyped-call]
    cpus, gpus = int(resources.get("CPU", 0)), int(resources.get("GPU", 0))
    pool = plan_pool(workers, cpus=max(1, cpus - SPREADER_CPUS), gpus=gpus)
    check_pool(pool, cpus=cpus, gpus=gpus)
    return pool


def _local_gpus() -> int:
    import torch

    return torch.cuda.device_count()
