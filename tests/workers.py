"""Separator workers of this process, and what they make of a block, for tests without Ray."""

import time
from pathlib import Path

import psutil
import pyarrow as pa

from latentsep.models.folder import read_model_file
from latentsep.pipeline.job_config import JobConfig
from latentsep.pipeline.rows import split_outcomes
from latentsep.pipeline.worker import WorkerSpec
from latentsep.storage import StoreSettings


def worker_spec(model, out, work, *, tracks_in_flight=2, separation=None, storage=None, **workers):
    """The spec of a worker on one thread; further settings are those of ``WorkerConfig``."""
    config = JobConfig(
        model=str(model),
        separation={"device": "cpu", **(separation or {})},
        workers={"work_folder": work, **workers},
        storage=storage or StoreSettings(),
    )
    return WorkerSpec(
        config=config,
        out_uri=str(out),
        run_id="run",
        model_sha256=read_model_file(Path(model)).weights.sha256,
        threads=1,
        tracks_in_flight=tracks_in_flight,
    )


def block_of(uris, **further):
    """A block of the manifest: ``{track_id: uri or path}`` and further columns."""
    return pa.table(
        {
            "track_id": pa.array(list(uris), pa.string()),
            "uri": pa.array([_uri(uri) for uri in uris.values()], pa.string()),
            "duration_s": pa.array([None] * len(uris), pa.float64()),
            **further,
        }
    )


def rows_of(outcomes):
    """Result rows and reject rows of an outcome table, each by id in the table's order."""
    return tuple(
        {row["track_id"]: row for row in table.to_pylist()} for table in split_outcomes(outcomes)
    )


def ids_of(outcomes):
    """The ids of an outcome table, in its order."""
    return [(row["result"] or row["reject"])["track_id"] for row in outcomes.to_pylist()]


def decoder_of(path, timeout_s=20):
    """The decoder child of this process that has the file open, as soon as there is one."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        for child in psutil.Process().children():
            if _has_open(child, path):
                return child
        time.sleep(0.005)
    raise AssertionError(f"nobody opened {path}")


def _has_open(process, path):
    """Whether it is a decoder, not a copy of this process that is to become one."""
    try:
        if "latentsep.audio.decode_child" not in process.cmdline():
            return False
        return any(file.path == str(path) for file in process.open_files())
    except psutil.Error:
        return False


def _uri(uri):
    return uri.as_uri() if isinstance(uri, Path) else uri
