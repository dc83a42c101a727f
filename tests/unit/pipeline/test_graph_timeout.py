import pyarrow as pa
import pytest

from latentsep.pipeline.cluster import WorkerPool
from latentsep.pipeline.graph import no_progress_timeout_s
from latentsep.pipeline.job_config import JobConfig
from latentsep.pipeline.worker import WorkerSpec


@pytest.mark.parametrize(
    ("durations_s", "timeout_s"),
    [
        ([36_000.0] * 100, 25 * 36_000.0),
        ([36_000.0, *[60.0] * 99], 36_000.0 + 24 * 60.0),
        ([60.0] * 100, 7200.0),
        ([None] * 100, 7200.0),
    ],
)
def test_a_block_of_long_tracks_gets_the_time_that_it_plays(durations_s, timeout_s):
    spec = WorkerSpec(JobConfig(), "file:///out", "run", "0" * 64, threads=1, tracks_in_flight=1)
    pool = WorkerPool(workers=1, cpus=1, gpus=0, tracks_in_flight=1)
    todo = pa.table({"duration_s": pa.array(durations_s, pa.float64())})
    assert no_progress_timeout_s(todo, spec, pool) == timeout_s
