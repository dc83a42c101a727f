"""How fast the last job on an output was and how large its stems are; all of it may be unknown."""

import pyarrow.compute as pc
from pydantic import BaseModel, ValidationError

from latentsep.catalogue.ledger import read_results
from latentsep.catalogue.output import STATUS_KEY
from latentsep.catalogue.schema import STEM_NAMES
from latentsep.errors import ObjectMissingError
from latentsep.storage import Store


class _Status(BaseModel, frozen=True):
    worker_realtime_factor: float | None = None


def last_worker_speed(store: Store) -> float | None:
    """Audio-seconds per second of one worker in the last job; None without a job that worked.

    Raises:
        StoreError: the output cannot be read.
    """
    try:
        status = _Status.model_validate_json(store.read(STATUS_KEY))
    except (ObjectMissingError, ValidationError):
        return None
    return status.worker_realtime_factor


def stem_bytes_per_audio_s(store: Store) -> float | None:
    """Size of both stems per second, over the first part of the results; None if there is none.

    Raises:
        LedgerError: the part cannot be read.
        StoreError: the output cannot be read.
    """
    sizes = [f"{stem}_stem_bytes" for stem in STEM_NAMES]
    part = next(iter(read_results(store, ["duration_s", *sizes])), None)
    if part is None:
        return None
    audio_s = pc.sum(part.column("duration_s")).as_py()
    total_bytes = sum(pc.sum(part.column(name)).as_py() or 0 for name in sizes)
    return total_bytes / audio_s if audio_s else None
