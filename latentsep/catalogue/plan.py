"""What a job has to do: the manifest, less what the ledger holds."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from latentsep.catalogue.ledger import LedgerState

HOUR_S = 3600.0


@dataclass(frozen=True)
class JobPlan:
    """What is to do, and why the other tracks are not.

    Attributes:
        todo: rows of the manifest, long tracks first, those of unknown length last in its order.
        tracks: rows of the manifest.
        finished: of them, those with a result.
        forgotten: of them, those taken down for good.
        kept_rejects: of them, those that failed for good and are not tried again.
        retried_rejects: rows of ``todo`` that failed before.
        surplus: results of tracks that the manifest does not have any more.
        audio_s: length of all tracks of known length.
        todo_audio_s: length of those to do.
        unknown_durations: rows of the manifest without a length.
        todo_unknown_durations: rows of ``todo`` without a length.
    """

    todo: pa.Table
    tracks: int
    finished: int
    forgotten: int
    kept_rejects: int
    retried_rejects: int
    surplus: int
    audio_s: float
    todo_audio_s: float
    unknown_durations: int
    todo_unknown_durations: int


class CostRates(BaseModel, frozen=True, extra="forbid"):
    """What the machines cost."""

    gpu_hour_price: float | None = Field(
        None, ge=0, allow_inf_nan=False, description="price of one worker's GPU, or CPUs, per hour"
    )
    currency: str = Field("USD", description="of the price; only shown")


@dataclass(frozen=True)
class Estimate:
    """What the work of a plan will take; None where it cannot be known.

    Attributes:
        audio_s: audio to separate; tracks of unknown length count as the mean of the others.
        gpu_hours: hours of one worker.
        wall_hours: hours of all workers side by side.
        cost: by the rates, in their currency.
        output_bytes: of the stems.
    """

    audio_s: float | None
    gpu_hours: float | None
    wall_hours: float | None
    cost: float | None
    output_bytes: int | None


def plan_job(
    manifest: pa.Table,
    state: "LedgerState",
    *,
    retry_rejected: bool = False,
    limit: int | None = None,
) -> JobPlan:
    """Compare a manifest with a ledger.

    Rejects that may pass by themselves are always tried again.

    Args:
        manifest: as ``read_manifest`` gives it.
        state: of the ledger.
        retry_rejected: try the other rejects again as well.
        limit: do so many tracks at most, the first ones of the manifest; those that are only tried
            again come last, or the same few could take every run's places.
    """
    ids = manifest.column("track_id")
    forgotten = _is_one_of(ids, state.forgotten)
    finished = _and_not(_is_one_of(ids, state.finished.column("track_id")), forgotten)
    kept = _and_not(_is_one_of(ids, _kept_ids(state, retry_rejected)), pc.or_(forgotten, finished))
    left = pc.invert(pc.or_(pc.or_(forgotten, finished), kept))
    open_rows = manifest.filter(left)
    if limit is not None and not retry_rejected:
        open_rows = _untried_first(open_rows, state)
    todo = _long_first(open_rows.slice(0, limit))
    return JobPlan(
        todo=todo,
        tracks=manifest.num_rows,
        finished=_count(finished),
        forgotten=_count(forgotten),
        kept_rejects=_count(kept),
        retried_rejects=_count(
            _is_one_of(todo.column("track_id"), state.rejected.column("track_id"))
        ),
        surplus=_count(pc.invert(_is_one_of(state.finished.column("track_id"), ids))),
        audio_s=_sum_s(manifest),
        todo_audio_s=_sum_s(todo),
        unknown_durations=manifest.column("duration_s").null_count,
        todo_unknown_durations=todo.column("duration_s").null_count,
    )


def estimate(
    plan: JobPlan,
    realtime_factor: float | None,
    workers: int | None,
    rates: CostRates,
    bytes_per_audio_s: float | None,
) -> Estimate:
    """What a plan will take.

    Args:
        plan: of the job.
        realtime_factor: audio-seconds per second of ONE worker; None: not known.
        workers: that run side by side; None: not known.
        rates: prices.
        bytes_per_audio_s: size of both stems per second of audio; None: not known.
    """
    audio_s = _expected_audio_s(plan)
    gpu_hours = (
        None if audio_s is None or not realtime_factor else audio_s / realtime_factor / HOUR_S
    )
    price = rates.gpu_hour_price
    return Estimate(
        audio_s=audio_s,
        gpu_hours=gpu_hours,
        wall_hours=None if gpu_hours is None or not workers else gpu_hours / workers,
        cost=None if gpu_hours is None or price is None else gpu_hours * price,
        output_bytes=(
            None
            if audio_s is None or bytes_per_audio_s is None
            else round(audio_s * bytes_per_audio_s)
        ),
    )


def _expected_audio_s(plan: JobPlan) -> float | None:
    known = plan.tracks - plan.unknown_durations
    if not plan.todo_unknown_durations:
        return plan.todo_audio_s
    if not known:
        return None
    return plan.todo_audio_s + plan.todo_unknown_durations * plan.audio_s / known


def _kept_ids(state: "LedgerState", retry_rejected: bool) -> pa.ChunkedArray:
    rejected = state.rejected
    if retry_rejected:
        rejected = rejected.slice(0, 0)
    return rejected.filter(pc.invert(rejected.column("retryable"))).column("track_id")


def _is_one_of(
    ids: pa.ChunkedArray | pa.Array, others: pa.ChunkedArray | pa.Array
) -> pa.BooleanArray:
    """One call over whole columns, so that the kernel hashes ``others`` once."""
    return pc.is_in(_whole(ids), value_set=_whole(others))


def _whole(ids: pa.ChunkedArray | pa.Array) -> pa.Array:
    """One array of a type whose total length has no limit of 2 GiB."""
    large = ids.cast(pa.large_string())
    return large.combine_chunks() if isinstance(large, pa.ChunkedArray) else large


def _and_not(mask: pa.BooleanArray, excluded: pa.BooleanArray) -> pa.BooleanArray:
    return pc.and_(mask, pc.invert(excluded))


def _count(mask: pa.BooleanArray) -> int:
    return int(pc.sum(mask).as_py() or 0)


def _untried_first(rows: pa.Table, state: "LedgerState") -> pa.Table:
    was_tried = _is_one_of(rows.column("track_id"), state.rejected.column("track_id"))
    return pa.concat_tables([rows.filter(pc.invert(was_tried)), rows.filter(was_tried)])


def _long_first(rows: pa.Table) -> pa.Table:
    # The sort is stable, and nulls come last by default.
    return rows.take(pc.sort_indices(rows, sort_keys=[("duration_s", "descending")]))


def _sum_s(rows: pa.Table) -> float:
    return float(pc.sum(rows.column("duration_s")).as_py() or 0.0)
