import pyarrow as pa
import pytest
from outcome_rows import manifest, outcomes

from latentsep.catalogue.ledger import Ledger
from latentsep.pipeline.job import _without_changed
from latentsep.pipeline.job_config import JobConfig
from latentsep.pipeline.rows import split_outcomes
from latentsep.storage.local import LocalStore


@pytest.fixture
def ledger(tmp_path):
    """A ledger with the finished tracks ``ours`` and ``theirs``, whose sources changed since."""
    ledger = Ledger(LocalStore(tmp_path / "out"), "writer")
    results, rejects = split_outcomes(outcomes(["ours", "theirs"]))
    for name in ("ours", "theirs"):
        (tmp_path / name).write_bytes(b"other bytes than before")
    uris = pa.array([(tmp_path / name).as_uri() for name in ("ours", "theirs")])
    place = results.column_names.index("uri")
    ledger.commit(results.set_column(place, results.schema.field("uri"), uris), rejects)
    return ledger


def test_a_recheck_leaves_the_results_of_other_manifests_alone(ledger):
    state = _without_changed(ledger, ledger.load(), manifest(["ours", "new"]), JobConfig())
    assert state.finished.column("track_id").to_pylist() == ["theirs"]
