"""Reads the sound of ranked tracks: a few seconds of mixture and stems."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from latentsep.audio.decode import AudioReader, Decoder, LocalFile
from latentsep.audio.waveform import Waveform
from latentsep.catalogue.stem_objects import key_in_output
from latentsep.errors import ConfigError, StoreError, TrackError
from latentsep.report.document import Excerpt, StemView
from latentsep.report.excerpt_audio import MEDIA_TYPE, encoded, loudest, stretch
from latentsep.report.excerpt_levels import levels_db
from latentsep.storage import Store, StoreSettings, open_store, split_uri
from latentsep.storage.uris import is_local, local_path

READERS = 4
MOST_AUDIO_BYTES = 128 * 1024
"""Of one signal: 15 tracks of three are 7.9 MB as base64 at most."""
MOST_FETCHED_BYTES = 256 * 1024 * 1024
"""Larger objects of other machines are not copied here for a few seconds of them."""
_SEARCHED = ("vocals", "mixture", "accompaniment")
"""The first of these that can be read says where the excerpt lies."""
_SHOWN = ("mixture", "vocals", "accompaniment")


@dataclass(frozen=True)
class TrackSound:
    """Where the signals of a track lie; None where its row does not say.

    Attributes:
        track_id, attempt: whose, and of which try the stems are.
    """

    track_id: str
    attempt: str | None
    mixture: str | None
    vocals: str | None
    accompaniment: str | None


class ExcerptReader:
    """Excerpts of an output's tracks; each is read once.

    Args:
        store: the output.
        settings: for sources that lie elsewhere.
    """

    def __init__(self, store: Store, settings: StoreSettings) -> None:
        self._store, self._settings = store, settings
        self._decoders: SimpleQueue[Decoder] = SimpleQueue()
        self._known: dict[TrackSound, Excerpt] = {}

    def known(self, tracks: Sequence[TrackSound]) -> list[Excerpt | None]:
        """Those that were read before; what was read of other tracks is let go."""
        self._known = {track: self._known[track] for track in tracks if track in self._known}
        return [self._known.get(track) for track in tracks]

    def read(self, tracks: Sequence[TrackSound], longest_s: float) -> list[Excerpt | None]:
        """An excerpt of each track; after ``longest_s`` none is begun, and the rest are None."""
        ends_s = time.monotonic() + longest_s
        new = [
            track for track, known in zip(tracks, self.known(tracks), strict=True) if known is None
        ]
        # Each reader has a decoder, which takes as long to start as some tracks to read.
        readers = min(READERS, 1 + len(new) // READERS)
        pool = ThreadPoolExecutor(readers, thread_name_prefix="latentsep-report")
        try:
            excerpts = pool.map(lambda track: self._in_time(track, ends_s), new)
            pairs = zip(new, excerpts, strict=True)
            self._known |= {track: each for track, each in pairs if each is not None}
        finally:
            # Interrupted, it does not begin the rest.
            pool.shutdown(cancel_futures=True)
            self._close()
        return self.known(tracks)

    def _in_time(self, track: TrackSound, ends_s: float) -> Excerpt | None:
        return self._excerpt(track) if time.monotonic() < ends_s else None

    def _excerpt(self, track: TrackSound) -> Excerpt:
        problems: list[str] = []
        views: dict[str, StemView] = {}
        start_s = length_s = None
        for name in _SEARCHED:
            try:
                with self._opened(track, name) as reader:
                    rate_hz = reader.info.sample_rate_hz
                    if start_s is None or length_s is None:
                        start_s, waveform = loudest(reader)
                        length_s = waveform.shape[1] / rate_hz
                    else:
                        waveform = stretch(reader, start_s, length_s)
                views[name] = _view(name, waveform, rate_hz)
            except (StoreError, TrackError, ConfigError) as error:
                problems.append(f"{name}: {error}")
        stems = tuple(views[name] for name in _SHOWN if name in views)
        return Excerpt(start_s or 0.0, length_s or 0.0, stems, tuple(problems))

    @contextmanager
    def _opened(self, track: TrackSound, name: str) -> Iterator[AudioReader]:
        store, key = self._place(track, name)
        uri = store.uri_of(key)
        size = store.stat(key).bytes
        with self._decoder() as decoder:
            if is_local(uri):
                with decoder.open(LocalFile(local_path(uri), uri)) as reader:
                    yield reader
                return
            if size > MOST_FETCHED_BYTES:
                raise StoreError(f"{uri}: has {size} bytes, which is too much for a few seconds")
            with store.open(key) as stream, decoder.open(stream) as reader:
                yield reader

    def _place(self, track: TrackSound, name: str) -> tuple[Store, str]:
        uri: str | None = getattr(track, name)
        if uri is None:
            raise ConfigError("its row does not say where it lies")
        if name == "mixture":
            store_uri, key = split_uri(uri)
            return open_store(store_uri, self._settings), key
        return self._store, key_in_output(uri)

    @contextmanager
    def _decoder(self) -> Iterator[Decoder]:
        try:
            decoder = self._decoders.get_nowait()
        except Empty:
            decoder = Decoder()
        try:
            yield decoder
        finally:
            self._decoders.put(decoder)

    def _close(self) -> None:
        while not self._decoders.empty():
            self._decoders.get().close()


def _view(name: str, waveform: Waveform, rate_hz: int) -> StemView:
    audio = encoded(waveform, rate_hz)
    if len(audio) > MOST_AUDIO_BYTES:
        audio = encoded(waveform.mean(axis=0, keepdims=True), rate_hz)
    is_small = len(audio) <= MOST_AUDIO_BYTES
    return StemView(name, levels_db(waveform, rate_hz), audio if is_small else b"", MEDIA_TYPE)
