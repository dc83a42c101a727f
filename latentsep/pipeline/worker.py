"""One separator worker: blocks of the manifest in, blocks of outcomes out. Without Ray."""

import logging
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
import torch

from latentsep.audio.limits import DecodeLimits
from latentsep.errors import ConfigError, WorkerCrashedError
from latentsep.models.folder import find_model, read_model_file
from latentsep.monitoring.definitions import WORKER_STARTS
from latentsep.monitoring.recorder import NoRecorder, Recorder
from latentsep.pipeline.catalogue_track import CatalogueTracks, TrackPlaces, reject_row
from latentsep.pipeline.job_config import JobConfig
from latentsep.pipeline.rejects import reject_of
from latentsep.pipeline.rows import ManifestRow, Outcome, Row, manifest_rows, outcome_table
from latentsep.pipeline.solo import SoloGate
from latentsep.pipeline.starts import StartCounter, Starts
from latentsep.pipeline.store import OutputOptions
from latentsep.pipeline.window_queue import WindowQueue
from latentsep.pipeline.window_work import WindowWork
from latentsep.pipeline.work_folder import WorkFolder
from latentsep.separation.separator import Separator
from latentsep.storage import open_store

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerSpec:
    """Everything a worker is made of; travels to it."""

    config: JobConfig
    out_uri: str
    run_id: str
    model_sha256: str
    threads: int
    tracks_in_flight: int


class SeparatorWorker:
    """Holds the model, the queue of windows, the decoder children and the threads of the tracks.

    Calling it with a block returns its outcomes in the block's order, all at once. Two calls may
    overlap: their windows share the queue, so that the end of one leaves no hole in the batches.

    Args:
        spec: what it is made of.
        starts_of: gives the counter of starts.
        recorder_of: gives what its metrics are told to.

    Raises:
        ConfigError: the model is another one than the driver's, or an option is impossible.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        starts_of: Callable[[], Starts] = StartCounter,
        recorder_of: Callable[[], Recorder] = NoRecorder,
    ) -> None:
        torch.set_num_threads(spec.threads)
        self._spec = spec
        self._starts = starts_of()
        self._gate = SoloGate()
        self._folder = WorkFolder(spec.config.workers.work_folder)
        separator, recorder = _separator(spec), recorder_of()
        self.queue = WindowQueue(WindowWork(separator, recorder=recorder), recorder)
        self._tracks = CatalogueTracks(
            separator,
            self.queue,
            model_columns=_model_columns(spec, separator),
            run_id=spec.run_id,
            output=OutputOptions(spec.config.stems.codec, spec.config.stems.bit_depth),
            places=TrackPlaces(
                out=open_store(spec.out_uri, spec.config.storage),
                sources=spec.config.storage,
                work_folder=self._folder.path,
            ),
            limits=DecodeLimits(no_progress_timeout_s=spec.config.workers.decode_timeout_s),
            windows_ahead=max(2, -(-2 * separator.windows_per_call // spec.tracks_in_flight)),
            recorder=recorder,
        )
        self._threads = ThreadPoolExecutor(spec.tracks_in_flight, thread_name_prefix="track")
        recorder.count(WORKER_STARTS, 1)

    def __call__(self, block: pa.Table) -> pa.Table:
        """Outcomes of a block of the manifest, see ``rows.outcome_table``."""
        rows = manifest_rows(block)
        counts = self._starts.counts([row.track_id for row in rows])
        running = [
            self._threads.submit(self._one, row, counts.get(row.track_id, 0)) for row in rows
        ]
        return outcome_table(block, [one.result() for one in running])

    def close(self) -> None:
        """End threads, children and queue, and remove the work folder."""
        self._threads.shutdown()
        self._tracks.close()
        self.queue.close()
        self._folder.remove()

    def _one(self, track: ManifestRow, starts: int) -> Outcome:
        if starts >= self._spec.config.workers.max_starts:
            return self._given_up(track, starts)
        with self._gate.pass_through(alone=starts > 0):
            self._starts.begin(track.track_id)
            outcome = self._tracks.separate(track)
        self._starts.end(track.track_id)
        return outcome

    def _given_up(self, track: ManifestRow, starts: int) -> Outcome:
        error = WorkerCrashedError(
            f"was started {starts} times and its worker died each time; look at the file, "
            "and retry it alone with --retry-rejected"
        )
        reject = reject_of(track.uri, error)
        return Outcome(reject=reject_row(track, reject, self._spec.run_id, attempt=""))


def _separator(spec: WorkerSpec) -> Separator:
    config = spec.config
    found = read_model_file(find_model(config.model)).weights.sha256
    if found != spec.model_sha256:
        raise ConfigError(
            f"model {config.model!r} on {socket.gethostname()} has weights {found}, the driver's "
            f"have {spec.model_sha256}; install the same model on every node"
        )
    return Separator.from_pretrained(config.model, **config.separation.model_dump())


def _model_columns(spec: WorkerSpec, separator: Separator) -> Row:
    model, draws = separator.model.config, spec.config.separation.draws
    device = separator.device
    return {
        "model_name": model.name,
        "model_sha256": spec.model_sha256,
        "model_licence": model.licence,
        "steps": separator.steps,
        "draws": draws,
        "nfe": separator.nfe,
        "seed": spec.config.separation.seed,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    }
