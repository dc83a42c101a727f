import pytest

from latentsep.errors import ConfigError
from latentsep.pipeline.cluster import WorkerPool, check_nodes, check_pool, cluster, plan_pool
from latentsep.pipeline.job_config import WorkerConfig


@pytest.mark.parametrize(
    ("wanted", "cpus", "gpus", "workers", "worker_cpus"),
    [
        ({}, 2, 0, 1, 2),
        ({}, 1, 0, 1, 1),
        ({}, 64, 0, 32, 2),
        ({}, 64, 8, 8, 4),
        ({"count": 3}, 64, 8, 3, 4),
        ({"count": 3, "cpus": 5}, 4, 0, 3, 5),
        ({"cpus": 8}, 64, 0, 8, 8),
    ],
)
def test_the_pool_fills_what_the_user_left_open(wanted, cpus, gpus, workers, worker_cpus):
    pool = plan_pool(WorkerConfig(**wanted), cpus=cpus, gpus=gpus)
    assert (pool.workers, pool.cpus) == (workers, worker_cpus)
    assert pool.gpus == (1 if gpus else 0)


@pytest.mark.parametrize(("cpus", "gpus"), [(8, 2), (9, 1), (0, 0)])
def test_a_pool_that_the_cluster_cannot_hold_is_refused(cpus, gpus):
    pool = WorkerPool(workers=2, cpus=4, gpus=1, tracks_in_flight=8)
    check_pool(pool, cpus=9, gpus=2)
    with pytest.raises(ConfigError, match=r"need 9 CPUs and 2 GPUs; the cluster has"):
        check_pool(pool, cpus=cpus, gpus=gpus)


def test_ray_client_is_refused_with_a_pointer_to_submit():
    with (
        pytest.raises(ConfigError, match=r"latentsep submit"),
        cluster("ray://10.0.0.1:10001", WorkerConfig()),
    ):
        pass


def test_a_worker_that_fits_into_no_node_is_refused():
    pool = WorkerPool(workers=2, cpus=4, gpus=0, tracks_in_flight=3)
    check_nodes(pool, [4, 5])
    check_nodes(pool, [8])
    with pytest.raises(ConfigError, match=r"with 3, 3, 6 CPUs, have places for 1"):
        check_nodes(pool, [3, 3, 6])
