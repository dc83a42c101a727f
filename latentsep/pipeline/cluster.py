"""The Ray cluster of a job: a small one of its own, or the one at an address."""

import logging
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

from latentsep.errors import ConfigError
from latentsep.pipeline.job_config import WorkerConfig

CPU_WORKER_CPUS = 2
GPU_WORKER_CPUS = 4
CPU_TRACKS_IN_FLIGHT = 3
GPU_TRACKS_IN_FLIGHT = 8
EMBEDDED_OBJECT_STORE_BYTES = 128 * 1024**2
"""Rows only: no audio goes through the object store."""
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
CONNECT_S = 10.0
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
    address: str | None,
    workers: WorkerConfig,
    spare_cpus: int = SPREADER_CPUS,
    is_leaving: Callable[[], bool] = lambda: False,
) -> Iterator[WorkerPool]:
    """Join the cluster at an address, or run one on this machine; leave or end it afterwards.

    Args:
        address: ``auto``, ``HOST:PORT``, or None for a cluster of this process alone.
        workers: what the user wants of the pool.
        spare_cpus: of a cluster of this process, beside those of the workers.
        is_leaving: whether the process ends right away, and Ray with it. Its own shutdown may take
            long, and crashes if the cluster has only just started (seen: SIGSEGV, SIGABRT).

    Raises:
        ConfigError: the address is none that a driver can join, nobody answers there, or the
            cluster is too small for the pool.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # While Ray ends, its own threads may still ask it something, and it would start a new cluster.
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"
    # What a job fetches it answers for; what it leaves behind when it stops in the middle fails
    # because it stopped, and nobody need read that.
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    # Ray's C++ parts write to stderr what is of no use to whoever separates music.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    if address is None:
        _have_token()
    # Ray tells of dying workers on stdout, where a JSON document may be wanted; some of it comes
    # when Ray ends.
    with redirect_stdout(sys.stderr):
        try:
            if address is None:
                yield _own_cluster(workers, spare_cpus)
            else:
                yield _joined(address, workers)
        finally:
            _shut_down(is_leaving)


def _shut_down(is_leaving: Callable[[], bool]) -> None:
    import ray

    # What Ray Data's threads say from here on is only that Ray is gone.
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    if is_leaving():
        # Its listener lives on and would write to stdout, which is ours again; no option stops it.
        ray._private.worker.print_to_stdstream = lambda *_, **__: None
        return
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

    cpus, gpus = usable_cpus(), _local_gpus()
    pool = plan_pool(workers, cpus=cpus, gpus=gpus)
    # CPUs may be shared out as often as the user likes; a GPU that is not there is waited for.
    check_pool(pool, cpus=pool.workers * pool.cpus + SPREADER_CPUS, gpus=gpus)
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


def _have_token() -> None:
    """Ray wants a token, and would write one to the home folder, where it may not be allowed to."""
    given = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys()
    saved = Path(os.environ.get("HOME", "/"), ".ray", "auth_token")
    if not given and not os.access(saved, os.R_OK):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def usable_cpus() -> int:
    """CPUs of this machine that its process may use: the quota of a container counts."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # "max 100000" where there is no quota.
    with suppress(OSError, ValueError):
        quota_us, period_us = map(int, CPU_QUOTA.read_text().split())
        cpus = min(cpus, max(1, quota_us // period_us))
    return cpus


def _joined(address: str, workers: WorkerConfig) -> WorkerPool:
    import ray

    if address.startswith("ray://"):
        raise ConfigError(
            f"--address {address}: Ray Client is not supported, the driver has to run in the "
            "cluster: send the job with `latentsep submit MANIFEST -o OUT --address "
            "http://HOST:8265`"
        )
    try:
        _check_answers(address)
        with _quiet_stderr():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(
            f"--address {address}: no Ray cluster can be joined there: {reason}; start one with "
            "`ray start --head`, or leave --address out for this machine alone"
        ) from error
    return _pool_of_cluster(workers)


def _check_answers(address: str) -> None:
    """Ray itself tries for a quarter of an hour, and no signal reaches it meanwhile.

    Raises:
        OSError: nobody listens at this ``HOST:PORT``; Ray finds out about other addresses.
    """
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port) % 2**16), CONNECT_S).close()


def _pool_of_cluster(workers: WorkerConfig) -> WorkerPool:
    import ray

    resources = ray.cluster_resources()  # type: ignore[no-untyped-call]
    cpus, gpus = int(resources.get("CPU", 0)), int(resources.get("GPU", 0))
    pool = plan_pool(workers, cpus=max(1, cpus - SPREADER_CPUS), gpus=gpus)
    check_pool(pool, cpus=cpus, gpus=gpus)
    found = ray.nodes()  # type: ignore[no-untyped-call]
    nodes = [node["Resources"].get("CPU", 0) for node in found if node["Alive"]]
    check_nodes(pool, nodes)
    return pool


def check_nodes(pool: WorkerPool, node_cpus: Sequence[float]) -> None:
    """Refuse workers that fit into the cluster's CPUs but into no node's.

    Raises:
        ConfigError: names how many fit.
    """
    places = sum(int(cpus) // pool.cpus for cpus in node_cpus)
    if places < pool.workers:
        raise ConfigError(
            f"{pool.workers} workers of {pool.cpus} CPUs are wanted, but the nodes, with "
            f"{', '.join(f'{cpus:g}' for cpus in node_cpus)} CPUs, have places for {places}: "
            "set workers.count or workers.cpus lower"
        )


def _local_gpus() -> int:
    import torch

    return torch.cuda.device_count()
