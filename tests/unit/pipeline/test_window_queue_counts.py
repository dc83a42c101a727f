import pytest

from latentsep.pipeline.window_queue import WindowQueue


class Careless:
    """Gives one outcome too few for batches of two."""

    batch_items = 2

    def run(self, items):
        return items[:1]


def test_work_that_loses_an_outcome_fails_its_batch_and_not_the_queue():
    with WindowQueue(Careless()) as queue:
        with queue.producing():
            futures = [queue.submit(1), queue.submit(2)]
        for future in futures:
            with pytest.raises(ValueError, match="a batch of 2 gave 1 outcomes"):
                future.result(10)
        assert queue.submit(3).result(10) == 3
