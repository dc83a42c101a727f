"""Decode audio in a sandboxed child process, block by block.

The child runs the codec libraries on untrusted bytes; if one crashes or hangs, one track fails and
the next gets a fresh child. Blocks come through a pipe, which holds the child back when the reader
is slow, so memory is bounded for a track of any length.
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from latentsep.audio.child_process import ChildProcess
from latentsep.audio.limits import DecodeLimits
from latentsep.audio.source import SourceInfo
from latentsep.audio.spool import AudioSource, LocalFile, localise
from latentsep.audio.waveform import Waveform
from latentsep.errors import (
    AudioDecodeError,
    DecoderCrashedError,
    NonFiniteAudioError,
    NonFiniteSourceError,
    TrackError,
)

__all__ = [
    "AudioReader",
    "AudioSource",
    "DecodeLimits",
    "Decoder",
    "LocalFile",
    "probe",
    "read_audio",
]


class AudioReader:
    """Blocks of one source, ``[channel, sample]`` float32, in order; made by ``Decoder.open``.

    Closing it early is fine; a reader read to its end closes itself.

    Attributes:
        info: the source's format.
        frames_read: samples per channel handed out so far.
    """

    def __init__(
        self, decoder: "Decoder", child: ChildProcess, local: LocalFile, info: SourceInfo
    ) -> None:
        self._decoder, self._child, self._local = decoder, child, local
        self._is_open = True
        self.info = info
        self.frames_read = 0

    def __iter__(self) -> Iterator[Waveform]:
        return self

    def __next__(self) -> Waveform:
        """Next block.

        Raises:
            AudioDecodeError: the data are damaged or truncated, or the child crashed or hung.
            NonFiniteSourceError: a sample is NaN or infinite.
        """
        if not self._is_open:
            raise StopIteration
        try:
            block = self._receive()
        except BaseException:
            self.close()
            raise
        if block is None:
            self.close()
            raise StopIteration
        return block

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading; a child that is still busy with this source is ended."""
        if self._is_open:
            self._is_open = False
            self._local.release()
            self._decoder._reader_closed(self)

    def _receive(self) -> Waveform | None:
        record = self._child.record()
        if record.get("record") == "block":
            return self._receive_block(record.get("frames"))
        self._decoder._source_finished(record)
        if record.get("record") == "end" and record.get("frames") == self.frames_read:
            return None
        raise _error_from(record, self._local.name, self._child)

    def _receive_block(self, frames: object) -> Waveform:
        if not isinstance(frames, int) or not 0 < frames <= self._decoder.limits.block_frames:
            raise self._child.nonsense(f"a block of {frames!r} frames")
        block = np.empty((self.info.channels, frames), np.float32)
        self._child.fill(block.data.cast("B"))
        self.frames_read += frames
        return block


class Decoder:
    """Owns one decoder child, started when first needed and again after a crash or a hang.

    One source is read at a time: opening the next closes the reader before. Not thread-safe.

    Attributes:
        limits: bounds on time, memory and format.
        restarts: how often a child had to be replaced.
    """

    def __init__(
        self, limits: DecodeLimits | None = None, spool_folder: Path | None = None
    ) -> None:
        self.limits = limits or DecodeLimits()
        self.restarts = 0
        self._spool_folder = spool_folder
        self._child: ChildProcess | None = None
        self._reader: AudioReader | None = None
        self._is_busy = False
        self._starts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def child_pid(self) -> int | None:
        """Process id of the child; ``None`` while there is none."""
        return self._child.pid if self._child is not None else None

    def open(self, source: AudioSource | LocalFile) -> AudioReader:
        """Start reading a path, URI ``file://``, bytes, stream (copied to disk first) or LocalFile.

        Raises:
            AudioDecodeError: the source cannot be opened, is not audio, or is seen to be truncated.
        """
        self._close_reader()
        local = localise(source, self._spool_folder)
        try:
            child, info = self._ask(local, probe=False)
        except BaseException:
            local.release()
            raise
        self._reader = AudioReader(self, child, local, info)
        return self._reader

    def probe(self, source: AudioSource | LocalFile) -> SourceInfo:
        """Format of a source from its header, without decoding it.

        Raises:
            AudioDecodeError: as ``open``.
        """
        self._close_reader()
        local = localise(source, self._spool_folder)
        try:
            child, info = self._ask(local, probe=True)
            self._source_finished(child.record())
            return info
        finally:
            local.release()

    def read(self, source: AudioSource | LocalFile) -> tuple[Waveform, SourceInfo]:
        """All samples ``[channel, sample]`` of a source that fits in memory, and its format.

        Raises:
            AudioDecodeError: as ``open``, or the data are damaged or truncated.
            NonFiniteSourceError: a sample is NaN or infinite.
        """
        with self.open(source) as reader:
            blocks = list(reader)
            return np.concatenate(blocks, axis=1), reader.info

    def close(self) -> None:
        """End the child."""
        self._close_reader()
        self._drop_child()

    def _ask(self, local: LocalFile, *, probe: bool) -> tuple[ChildProcess, SourceInfo]:
        """Send a request and receive the format.

        A child that served before and dies without an answer may have been dying already, so the
        request is put once more, to a fresh one.
        """
        child = self._ready_child()
        is_reused = child.requests_sent > 0
        try:
            return child, self._request(child, local, probe=probe)
        except DecoderCrashedError:
            self._drop_child()
            if not is_reused:
                raise
        child = self._ready_child()
        return child, self._request(child, local, probe=probe)

    def _request(self, child: ChildProcess, local: LocalFile, *, probe: bool) -> SourceInfo:
        self._is_busy = True
        child.ask(local.name, path=str(local.path.absolute()), probe=probe)
        record = child.record()
        if record.get("record") != "info":
            self._source_finished(record)
            raise _error_from(record, local.name, child)
        try:
            return SourceInfo(**record["info"])
        except (KeyError, TypeError) as error:
            raise child.nonsense(str(error)) from error

    def _ready_child(self) -> ChildProcess:
        if self._child is not None and (self._is_busy or not self._child.is_alive()):
            self._drop_child()
        if self._child is None:
            self._child = ChildProcess(self.limits)
            self.restarts += self._starts > 0
            self._starts += 1
        return self._child

    def _drop_child(self) -> None:
        if self._child is not None:
            self._child.kill()
        self._child = None
        self._is_busy = False

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def _source_finished(self, record: dict[str, Any]) -> None:
        """The child's last record on a source was received: it is free for the next."""
        self._is_busy = False
        if record.get("kind") == "MemoryError":
            self._drop_child()

    def _reader_closed(self, reader: AudioReader) -> None:
        if self._reader is reader:
            self._reader = None
            if self._is_busy:
                self._drop_child()


def read_audio(
    source: AudioSource, limits: DecodeLimits | None = None
) -> tuple[Waveform, SourceInfo]:
    """All samples ``[channel, sample]`` of a short source, and its format; see ``Decoder.read``."""
    with Decoder(limits) as decoder:
        return decoder.read(source)


def probe(source: AudioSource, limits: DecodeLimits | None = None) -> SourceInfo:
    """Format of a source from its header, without decoding it; see ``Decoder.probe``."""
    with Decoder(limits) as decoder:
        return decoder.probe(source)


def _error_from(record: dict[str, Any], name: str, child: ChildProcess) -> TrackError:
    """The exception that an ``error`` record stands for."""
    if record.get("record") != "error":
        return child.nonsense(repr(record)[:200])
    kind: type[TrackError] = AudioDecodeError
    if record.get("kind") == NonFiniteAudioError.__name__:
        kind = NonFiniteSourceError
    return kind(f"{name}: {record.get('message')}")
