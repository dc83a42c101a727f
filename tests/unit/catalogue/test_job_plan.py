import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from latentsep.catalogue.ledger import LedgerState
from latentsep.catalogue.plan import CostRates, estimate, plan_job


def manifest(durations):
    """One row for each id; ``None`` where the length is not known."""
    return pa.table(
        {
            "track_id": pa.array(list(durations), pa.string()),
            "uri": pa.array([f"s3://music/{track_id}.wav" for track_id in durations], pa.string()),
            "duration_s": pa.array(list(durations.values()), pa.float64()),
            "tags": pa.array([[track_id] for track_id in durations], pa.list_(pa.string())),
        }
    )


def state(finished=(), rejected=None, forgotten=()):
    """``rejected``: whether each id is retryable."""
    rejected = rejected or {}
    return LedgerState(
        finished=pa.table(
            {
                "track_id": pa.array(finished, pa.string()),
                "uri": pa.array(["s3://music/x"] * len(finished), pa.string()),
                "source_etag": pa.array(["e"] * len(finished), pa.string()),
            }
        ),
        rejected=pa.table(
            {
                "track_id": pa.array(list(rejected), pa.string()),
                "retryable": pa.array(list(rejected.values()), pa.bool_()),
                "stage": pa.array(["load"] * len(rejected), pa.string()),
                "error_class": pa.array(["StoreError"] * len(rejected), pa.string()),
            }
        ),
        forgotten=pa.array(forgotten, pa.string()),
    )


def todo(plan):
    return plan.todo["track_id"].to_pylist()


def test_all_is_to_do_for_an_empty_ledger_long_tracks_first():
    plan = plan_job(manifest({"a": 1.0, "b": None, "c": 3.0, "d": None, "e": 3.0}), state())
    assert todo(plan) == ["c", "e", "a", "b", "d"]
    assert plan.todo["tags"].to_pylist()[0] == ["c"]
    assert (plan.tracks, plan.audio_s, plan.todo_audio_s) == (5, 7.0, 7.0)
    assert (plan.unknown_durations, plan.todo_unknown_durations) == (2, 2)


def test_finished_forgotten_and_failed_tracks_are_not_done_again():
    table = manifest(dict.fromkeys("abcdef", 1.0))
    known = state(["a", "gone"], {"b": False, "c": True}, ["d"])
    plan = plan_job(table, known)
    assert todo(plan) == ["c", "e", "f"]
    assert (plan.finished, plan.kept_rejects, plan.retried_rejects, plan.forgotten) == (1, 1, 1, 1)
    assert plan.surplus == 1
    assert plan.todo_audio_s == 3.0


def test_all_rejects_are_tried_again_on_demand():
    plan = plan_job(
        manifest(dict.fromkeys("abc", 1.0)), state(["a"], {"b": False, "c": True}),
        retry_rejected=True,
    )  # fmt: skip
    assert todo(plan) == ["b", "c"]
    assert (plan.kept_rejects, plan.retried_rejects) == (0, 2)


def test_a_limit_takes_the_first_rows_of_the_manifest():
    plan = plan_job(manifest({"a": 1.0, "b": 9.0, "c": 5.0, "d": 7.0}), state(["a"]), limit=2)
    assert todo(plan) == ["b", "c"]
    assert (plan.tracks, plan.finished, plan.audio_s, plan.todo_audio_s) == (4, 1, 22.0, 14.0)


def test_an_empty_manifest_leaves_nothing_to_do():
    plan = plan_job(manifest({}), state(["a"]))
    assert (plan.todo.num_rows, plan.tracks, plan.surplus) == (0, 0, 1)


@given(data=st.data())
def test_every_track_is_in_exactly_one_place(data):
    ids = data.draw(st.lists(st.integers(0, 30).map(str), unique=True))
    places = {track_id: data.draw(st.sampled_from("frkx-")) for track_id in ids}

    def at(place):
        return [track_id for track_id in ids if places[track_id] == place]

    rejected = dict.fromkeys(at("r"), True) | dict.fromkeys(at("k"), False)
    plan = plan_job(manifest(dict.fromkeys(ids, 1.0)), state(at("f"), rejected, at("x")))
    assert set(todo(plan)) == set(at("r") + at("-"))
    assert plan.tracks == (plan.todo.num_rows + plan.finished + plan.kept_rejects + plan.forgotten)
    assert (plan.retried_rejects, plan.surplus) == (len(at("r")), 0)


def test_an_estimate_by_hand():
    plan = plan_job(manifest({"a": 3600.0, "b": 7200.0}), state())
    expected = estimate(plan, 3.0, 2, CostRates(gpu_hour_price=1.5), 1000.0)
    assert (expected.audio_s, expected.gpu_hours, expected.wall_hours) == (10_800.0, 1.0, 0.5)
    assert (expected.cost, expected.output_bytes) == (1.5, 10_800_000)


def test_tracks_of_unknown_length_count_as_the_mean_of_the_others():
    plan = plan_job(manifest({"a": 100.0, "b": 300.0, "c": None}), state(["a"]))
    assert estimate(plan, None, None, CostRates(), None).audio_s == 500.0


def test_what_is_not_known_is_not_guessed():
    plan = plan_job(manifest({"a": None}), state())
    expected = estimate(plan, 3.0, 2, CostRates(gpu_hour_price=1.0), 1.0)
    assert expected == estimate(plan, None, None, CostRates(), None)
    assert (expected.gpu_hours, expected.cost, expected.output_bytes) == (None, None, None)


def test_nothing_to_do_costs_nothing_even_if_lengths_are_unknown():
    plan = plan_job(manifest({"a": None}), state(["a"]))
    expected = estimate(plan, 3.0, 1, CostRates(gpu_hour_price=1.0), 1.0)
    assert (expected.gpu_hours, expected.cost, expected.output_bytes) == (0.0, 0.0, 0)


@pytest.mark.parametrize("price", [-1, float("nan"), float("inf"), "much"])
def test_a_price_that_is_none_is_refused(price):
    with pytest.raises(ValidationError):
        CostRates(gpu_hour_price=price)


def test_a_rate_that_nobody_knows_is_refused():
    with pytest.raises(ValidationError, match="gpu_price"):
        CostRates(gpu_price=1)
