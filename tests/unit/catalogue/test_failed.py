import pyarrow as pa
import pytest
from tiny_outputs import TinyOutput, reject_row

from latentsep.catalogue.failed import Example, RejectChoice, RejectGroup, as_manifest, grouped
from latentsep.catalogue.open_rejects import latest_rejects
from latentsep.storage import open_store


@pytest.fixture
def rejects(tmp_path):
    output = TinyOutput(open_store(str(tmp_path / "out")))
    busy = {"stage": "store", "error_class": "StoreError", "retryable": True}
    denied = {**busy, "retryable": False}
    output.commit(
        rejects=[
            *(reject_row(f"bad{number}", duration_s=None, album="x") for number in range(5)),
            *(reject_row(f"busy{number}", **busy, album="y") for number in range(2)),
            reject_row("denied", **denied),
        ],
        further=[("album", pa.string()), ("vocals_uri", pa.string())],
    )
    return latest_rejects(output.store)


def ids_of(table):
    return table.column("track_id").to_pylist()


def test_groups_are_counted_and_have_the_first_three_as_examples(rejects):
    bad, busy, denied = grouped(rejects)
    assert bad == RejectGroup(
        "load", "AudioDecodeError", False, 5,
        tuple(
            Example(f"bad{n}", f"file:///music/bad{n}.wav", f"bad{n} is no audio") for n in range(3)
        ),
    )  # fmt: skip
    assert (busy.stage, busy.error_class, busy.retryable, busy.tracks) == (
        "store", "StoreError", True, 2,
    )  # fmt: skip
    assert (denied.error_class, denied.retryable, denied.tracks) == ("StoreError", False, 1)


def test_no_rejects_have_no_groups(rejects):
    assert grouped(rejects.slice(0, 0)) == []


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (RejectChoice(), 8),
        (RejectChoice(stages=("load",)), 5),
        (RejectChoice(stages=("load", "store")), 8),
        (RejectChoice(error_classes=("StoreError",)), 3),
        (RejectChoice(retryable=True), 2),
        (RejectChoice(error_classes=("StoreError",), retryable=False), 1),
        (RejectChoice(stages=("worker",)), 0),
    ],
)
def test_rejects_are_chosen_by_stage_class_and_whether_they_are_tried_again(
    rejects, choice, expected
):
    assert choice.of(rejects).num_rows == expected


def test_the_manifest_of_rejects_has_the_columns_of_theirs(rejects):
    manifest = as_manifest(RejectChoice(stages=("store",)).of(rejects))
    assert manifest.column_names == ["track_id", "uri", "duration_s", "album", "vocals_uri"]
    assert ids_of(manifest) == ["busy0", "busy1", "denied"]
    assert manifest.column("album").to_pylist() == ["y", "y", None]
