import pyarrow as pa
import pytest

from latentsep.catalogue.ledger import LedgerState
from latentsep.catalogue.plan import plan_job


@pytest.fixture
def todo():
    """``todo(**options)``: ids to do of a, b, c, d, of which a and b failed and may pass."""
    ids = pa.array(["a", "b", "c", "d"])
    columns = {"track_id": ids, "uri": ids, "duration_s": pa.array([4.0, 3.0, 2.0, 1.0])}
    finished = pa.table({name: pa.array([], pa.string()) for name in ("track_id", "source_etag")})
    rejected = pa.table({"track_id": ids[:2], "retryable": [True, True]})
    state = LedgerState(finished, rejected, pa.array([], pa.string()))

    def of(**options):
        return plan_job(pa.table(columns), state, **options).todo.column("track_id").to_pylist()

    return of


def test_what_fails_again_and_again_does_not_take_the_places_of_the_others(todo):
    assert todo(limit=2) == ["c", "d"]
    assert todo(limit=3) == ["a", "c", "d"]


def test_the_order_of_the_manifest_counts_where_all_may_come_or_rejects_are_wanted(todo):
    assert todo() == ["a", "b", "c", "d"]
    assert todo(limit=2, retry_rejected=True) == ["a", "b"]
