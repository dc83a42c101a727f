"""One track of a catalogue, from its URI to its stems and its result row. Without Ray."""

import hashlib
import secrets
import tempfile
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from latentsep.audio.decode import AudioReader, Decoder
from latentsep.audio.encode import StemFormat
from latentsep.audio.limits import DecodeLimits
from latentsep.audio.source import SourceInfo
from latentsep.catalogue.schema import STEM_NAMES
from latentsep.catalogue.track_ids import stem_key
from latentsep.monitoring.definitions import DECODER_RESTARTS
from latentsep.monitoring.recorder import NoRecorder, Recorder
from latentsep.pipeline.fetch import FetchedSource, fetched
from latentsep.pipeline.references import ReferenceScorer
from latentsep.pipeline.rejects import Reject, separate_or_reject
from latentsep.pipeline.rows import ManifestRow, Outcome, Row, run_columns
from latentsep.pipeline.stage_clock import StageClock
from latentsep.pipeline.store import OutputOptions, StemFiles
from latentsep.pipeline.window_queue import WindowQueue
from latentsep.quality.reference_free import QualityMeter
from latentsep.separation.separator import Separator
from latentsep.separation.session import TrackSession
from latentsep.separation.stems import Stems
from latentsep.separation.windows import Window, WindowVocals
from latentsep.storage import Store, StoreSettings

LEDGER_STAGES = {
    "fetch_s": "load",
    "decode_s": "load",
    "separate_s": "separate",
    "measure_s": "separate",
    "encode_s": "store",
    "upload_s": "store",
}


@dataclass(frozen=True)
class TrackPlaces:
    """Where a track's bytes come from and go to."""

    out: Store
    sources: StoreSettings
    work_folder: Path


class CatalogueTracks:
    """Separates tracks of a catalogue; threads call it side by side and share the batches.

    Args:
        separator: makes the sessions; the queue's thread alone runs its network.
        queue: where the windows of all tracks meet.
        model_columns: the columns of a result row that are the same for all tracks.
        run_id: of the ledger that the rows are for.
        output: format of the stems.
        places: where bytes come from and go to.
        limits: of the decoder children.
        windows_ahead: windows of one track that wait or run at once, at most.
        recorder: is told of decoder children that were replaced.
    """

    def __init__(  # noqa: PLR0913 - one value for each thing that all tracks share
        self,
        separator: Separator,
        queue: WindowQueue[Window, WindowVocals],
        *,
        model_columns: Row,
        run_id: str,
        output: OutputOptions,
        places: TrackPlaces,
        limits: DecodeLimits,
        windows_ahead: int = 2,
        recorder: Recorder | None = None,
    ) -> None:
        self._separator = separator
        self._queue = queue
        self._model_columns = model_columns
        self._run_id = run_id
        self._output = output
        self._places = places
        self._limits = limits
        self._windows_ahead = windows_ahead
        self._recorder = recorder or NoRecorder()
        self._decoders: SimpleQueue[Decoder] = SimpleQueue()

    def separate(self, track: ManifestRow) -> Outcome:
        """Do one track; whatever goes wrong with it is in the outcome, not raised."""
        attempt = secrets.token_hex(6)
        work = _TrackWork(track, attempt, StageClock())
        outcome = separate_or_reject(
            track.uri, lambda: self._result(work), lambda: LEDGER_STAGES[work.clock.current]
        )
        if isinstance(outcome, Reject):
            return Outcome(reject=reject_row(track, outcome, self._run_id, attempt, work.etag))
        return Outcome(result=outcome)

    def close(self) -> None:
        """End the decoder children."""
        while not self._decoders.empty():
            self._decoders.get().close()

    def _result(self, work: "_TrackWork") -> Row:
        with tempfile.TemporaryDirectory(prefix="track-", dir=self._places.work_folder) as name:
            work.folder = Path(name)
            with self._opened(work) as (source, reader):
                session = self._separator.session(
                    reader.info.sample_rate_hz, reader.info.channels, work.track.track_id
                )
                columns = self._stems(work, reader, session)
            uploaded = self._uploaded(work)
        return {
            "track_id": work.track.track_id,
            "uri": work.track.uri,
            **_source_columns(source, reader.info, reader.frames_read),
            **columns,
            **uploaded,
            **work.clock.seconds(),
            **self._model_columns,
            "batch_chunks": self._separator.batch_chunks,
            **run_columns(self._run_id, work.attempt),
        }

    @contextmanager
    def _opened(self, work: "_TrackWork") -> Iterator[tuple[FetchedSource, AudioReader]]:
        """The source, fetched and with its header read."""
        uri, settings = work.track.uri, self._places.sources
        work.clock.enter("fetch_s")
        with fetched(uri, settings, work.folder) as source, self._decoder() as decoder:
            work.etag = source.etag
            work.clock.enter("decode_s")
            with decoder.open(source.file) as reader:
                yield source, reader
            work.clock.enter("fetch_s")

    @contextmanager
    def _decoder(self) -> Iterator[Decoder]:
        try:
            decoder = self._decoders.get_nowait()
        except Empty:
            decoder = Decoder(self._limits)
        restarts = decoder.restarts
        try:
            yield decoder
        finally:
            if decoder.restarts > restarts:
                self._recorder.count(DECODER_RESTARTS, decoder.restarts - restarts)
            self._decoders.put(decoder)

    def _stems(self, work: "_TrackWork", reader: AudioReader, session: TrackSession) -> Row:
        """Write both stems to local files; the columns that describe them."""
        info = reader.info
        work.format = fmt = self._output.format_for(info)
        references = ReferenceScorer(
            work.track.references, info, self._places.sources, work.folder, self._limits
        )
        meter = QualityMeter(info.sample_rate_hz, info.channels)
        with references, StemFiles(work.paths, fmt, info) as files, self._queue.producing():
            for stems in self._separated(work, reader, session):
                work.clock.enter("measure_s")
                meter.add(stems.mixture, stems.vocals, stems.accompaniment)
                references.add(stems)
                work.clock.enter("encode_s")
                files.write(stems)
            work.clock.enter("measure_s")
            measured = {**vars(meter.measures()), **references.scores()}
            work.clock.enter("encode_s")
        return {
            **measured,
            "draw_spread_db": session.draw_spread_db,
            "draw_spread_by_second_db": session.draw_spread_by_second_db,
            "mixture_clipped_samples": files.counts.mixture_clipped_samples,
            "limited_samples": files.counts.limited_samples,
            "stem_codec": fmt.codec,
            "stem_sample_rate_hz": fmt.file_rate_hz(info.sample_rate_hz),
            "stem_bit_depth": fmt.bit_depth,
            "stem_frames": files.frames,
        }

    def _separated(
        self, work: "_TrackWork", reader: AudioReader, session: TrackSession
    ) -> Iterator[Stems]:
        """Stems in order, while later windows wait or run."""
        running: deque[Future[WindowVocals]] = deque()
        work.clock.enter("decode_s")
        for block in reader:
            session.push(block)
            running.extend(map(self._queue.submit, session.windows()))
            while running and (running[0].done() or len(running) > self._windows_ahead):
                yield from self._accepted(work, session, running.popleft())
            work.clock.enter("decode_s")
        session.finish()
        running.extend(map(self._queue.submit, session.windows()))
        while running:
            yield from self._accepted(work, session, running.popleft())

    def _accepted(
        self, work: "_TrackWork", session: TrackSession, vocals: "Future[WindowVocals]"
    ) -> Iterator[Stems]:
        work.clock.enter("separate_s")
        session.accept(self._queue.wait(vocals))
        yield from session.stems()

    def _uploaded(self, work: "_TrackWork") -> Row:
        """Put both stems under their final keys; the columns that say where they are."""
        work.clock.enter("upload_s")
        row: Row = {}
        for stem, path in work.paths.items():
            key = stem_key(work.track.track_id, work.attempt, stem, work.format.extension)
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            self._places.out.upload(key, path)
            row[f"{stem}_stem_uri"] = self._places.out.uri_of(key)
            row[f"{stem}_stem_bytes"] = path.stat().st_size
            row[f"{stem}_stem_sha256"] = digest
        return row


class _TrackWork:
    """One track on its way, and what is known of it so far."""

    def __init__(self, track: ManifestRow, attempt: str, clock: StageClock) -> None:
        self.track = track
        self.attempt = attempt
        self.clock = clock
        self.etag: str | None = None
        self.folder = Path()
        self.format = StemFormat()

    @property
    def paths(self) -> dict[str, Path]:
        """The local file of each stem."""
        return {stem: self.folder / f"{stem}{self.format.extension}" for stem in STEM_NAMES}


def reject_row(
    track: ManifestRow, reject: Reject, run_id: str, attempt: str, etag: str | None = None
) -> Row:
    """A row of the rejects."""
    return {
        "track_id": track.track_id,
        "uri": track.uri,
        "duration_s": track.duration_s,
        "stage": reject.stage,
        "error_class": reject.error_class,
        "message": reject.message,
        "retryable": reject.retryable,
        "source_etag": etag,
        **run_columns(run_id, attempt),
    }


def _source_columns(source: FetchedSource, info: SourceInfo, frames: int) -> dict[str, Any]:
    return {
        "source_container": info.container,
        "source_codec": info.codec,
        "source_sample_rate_hz": info.sample_rate_hz,
        "source_channels": info.channels,
        "source_bit_depth": info.bit_depth,
        "source_frames": frames,
        "duration_s": frames / info.sample_rate_hz,
        "source_bytes": source.bytes,
        "source_sha256": source.sha256,
        "source_etag": source.etag,
    }
