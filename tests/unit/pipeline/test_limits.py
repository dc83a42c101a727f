from types import SimpleNamespace

import pytest

from latentsep.pipeline.cluster import WorkerPool
from latentsep.pipeline.job_config import JobConfig
from latentsep.pipeline.limits import cost_so_far, limit_reached, rejects_over_limit

POOL = WorkerPool(workers=4, cpus=2, gpus=1, tracks_in_flight=8)


def _progress(tried=0, rejected=0, hours=0.0):
    return SimpleNamespace(
        tried=tried, rejected=rejected, elapsed_s=3600 * hours, working_s=3600 * hours, pool=POOL
    )


def _config(price=None, **limits):
    return JobConfig.model_validate({"limits": limits, "rates": {"gpu_hour_price": price}})


@pytest.mark.parametrize(
    ("config", "progress", "words"),
    [
        (_config(max_hours=2), _progress(hours=1.9), None),
        (_config(max_hours=2), _progress(hours=2.1), "--max-hours 2 is reached"),
        (_config(price=1.5, max_cost=12), _progress(hours=1.9), None),
        (_config(price=1.5, max_cost=12), _progress(hours=2.1), "--max-cost 12 USD is reached"),
        (_config(max_cost=12), _progress(hours=1000), None),
        (_config(max_reject_share=0.1), _progress(tried=99, rejected=99), None),
        (_config(max_reject_share=0.1), _progress(tried=100, rejected=10), None),
        (_config(max_reject_share=0.1), _progress(tried=100, rejected=11), "11 of 100 tracks"),
    ],
)
def test_a_limit_stops_the_job_and_is_named(config, progress, words):
    reason = limit_reached(config, progress)
    assert reason is None if words is None else words in reason


def test_at_the_end_even_few_tracks_count():
    assert "2 of 3" in rejects_over_limit(_config(), _progress(tried=3, rejected=2))
    assert rejects_over_limit(_config(), _progress(tried=4, rejected=2)) is None
    assert rejects_over_limit(_config(), _progress()) is None


def test_cost_counts_every_worker():
    assert cost_so_far(_config(price=2.0), _progress(hours=3)) == pytest.approx(24.0)
    assert cost_so_far(_config(), _progress(hours=3)) is None
