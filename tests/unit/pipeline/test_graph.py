import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from latentsep.pipeline.cluster import WorkerPool
from latentsep.pipeline.graph import QUEUED_PER_WORKER, block_rows, dealt
from latentsep.pipeline.job_config import JobConfig
from latentsep.pipeline.worker import WorkerSpec


def _block_rows(tracks, workers, tracks_per_block):
    config = JobConfig(workers={"tracks_per_block": tracks_per_block})
    spec = WorkerSpec(config, "file:///out", "run", "0" * 64, threads=1, tracks_in_flight=1)
    pool = WorkerPool(workers=workers, cpus=1, gpus=0, tracks_in_flight=1)
    return block_rows(tracks, spec, pool)


@given(
    tracks=st.integers(1, 10**6), workers=st.integers(1, 1_000), tracks_per_block=st.integers(1, 99)
)
def test_blocks_are_as_configured_unless_a_worker_would_get_none(tracks, workers, tracks_per_block):
    rows = _block_rows(tracks, workers, tracks_per_block)
    assert 1 <= rows <= tracks_per_block
    blocks = -(-tracks // rows)
    # All workers get one, as far as there are tracks; and large catalogues are not cut finer.
    assert blocks >= min(workers, tracks)
    if tracks >= workers * QUEUED_PER_WORKER * tracks_per_block:
        assert rows == tracks_per_block


def test_the_last_block_does_not_keep_one_worker_busy_while_the_others_wait():
    assert _block_rows(100, workers=1, tracks_per_block=25) == 25
    assert _block_rows(100, workers=10, tracks_per_block=25) == 3
    assert _block_rows(3, workers=10, tracks_per_block=25) == 1


@given(tracks=st.integers(0, 300), rows=st.integers(1, 9), blocks=st.integers(1, 9))
def test_dealing_loses_and_doubles_no_row(tracks, rows, blocks):
    todo = pa.table({"duration_s": list(range(tracks, 0, -1))})
    out = dealt(todo, rows, blocks).column("duration_s").to_pylist()
    assert sorted(out) == sorted(todo.column("duration_s").to_pylist())


def test_the_longest_tracks_go_to_different_blocks():
    todo = pa.table({"duration_s": [9, 8, 7, 6, 5, 4, 3, 2, 1]})
    out = dealt(todo, rows=2, blocks=3).column("duration_s").to_pylist()
    assert [out[start : start + 2] for start in range(0, 9, 2)] == [
        [9, 6],
        [8, 5],
        [7, 4],
        [3, 1],
        [2],
    ]
