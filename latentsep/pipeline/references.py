"""Scores a track's stems against true ones while they stream by."""

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from latentsep.audio.decode import AudioReader, Decoder
from latentsep.audio.limits import DecodeLimits
from latentsep.audio.source import SourceInfo
from latentsep.audio.waveform import Waveform
from latentsep.catalogue.schema import STEM_NAMES
from latentsep.errors import ConfigError, StoreError, TrackError
from latentsep.pipeline.fetch import fetched
from latentsep.quality.reference import SdrAccumulator
from latentsep.separation.stems import Stems
from latentsep.storage import StoreSettings


class ReferenceScorer:
    """SDR and SI-SDR of one track's stems against the references that its manifest row names.

    A reference that cannot be used costs the scores and never the track: ``scores`` then holds the
    reason and no number.
    """

    def __init__(
        self,
        uris: Mapping[str, str],
        mixture: SourceInfo,
        settings: StoreSettings,
        folder: Path,
        limits: DecodeLimits,
    ) -> None:
        self._uris = uris
        self._mixture = mixture
        self._settings = settings
        self._folder = folder
        self._limits = limits
        self._stack = ExitStack()
        self._readers: dict[str, _AlignedReader] = {}
        self._sums = {stem: SdrAccumulator() for stem in uris}
        self._error: str | None = None

    def __enter__(self) -> Self:
        try:
            for stem, uri in self._uris.items():
                self._readers[stem] = self._open(uri)
        except (TrackError, StoreError, ConfigError) as error:
            self._give_up(str(error))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A reference that changed or vanished costs the scores, and ``scores`` has told that.
        with suppress(TrackError, StoreError):
            self._stack.close()

    def add(self, stems: Stems) -> None:
        """Compare the next block of both stems."""
        estimates = {"vocals": stems.vocals, "accompaniment": stems.accompaniment}
        try:
            for stem, reader in self._readers.items():
                estimate = estimates[stem]
                self._sums[stem].add(reader.take(estimate.shape[1]), estimate)
        except TrackError as error:
            self._give_up(str(error))

    def scores(self) -> dict[str, float | str | None]:
        """The score columns of a result row; call it after the last block."""
        try:
            for reader in self._readers.values():
                reader.must_be_at_end()
            self._stack.close()
        except (TrackError, StoreError) as error:
            self._give_up(str(error))
        row: dict[str, float | str | None] = {"reference_error": self._error}
        for stem in STEM_NAMES:
            sums = self._sums.get(stem) if self._error is None else None
            row[f"{stem}_sdr_db"] = None if sums is None else sums.sdr_db()
            row[f"{stem}_si_sdr_db"] = None if sums is None else sums.si_sdr_db()
        return row

    def _open(self, uri: str) -> "_AlignedReader":
        source = self._stack.enter_context(fetched(uri, self._settings, self._folder))
        decoder = self._stack.enter_context(Decoder(self._limits))
        reader = self._stack.enter_context(decoder.open(source.file))
        found, wanted = reader.info, self._mixture
        if (found.sample_rate_hz, found.channels) != (wanted.sample_rate_hz, wanted.channels):
            raise TrackError(
                f"reference {uri} has {found.channels} channels at {found.sample_rate_hz} Hz, "
                f"its mixture {wanted.channels} at {wanted.sample_rate_hz} Hz"
            )
        return _AlignedReader(uri, reader)

    def _give_up(self, reason: str) -> None:
        self._error = reason
        self._readers = {}


class _AlignedReader:
    """A reference in pieces as long as those of the estimate."""

    def __init__(self, uri: str, reader: AudioReader) -> None:
        self._uri = uri
        self._reader = reader
        self._left: Waveform = np.zeros((reader.info.channels, 0), np.float32)

    def take(self, frames: int) -> Waveform:
        """The next ``[channel, frames]``.

        Raises:
            TrackError: the reference is damaged or ends before.
        """
        pieces, missing = [self._left], frames - self._left.shape[1]
        while missing > 0:
            block = next(self._reader, None)
            if block is None:
                raise TrackError(f"reference {self._uri} is shorter than its mixture")
            pieces.append(block)
            missing -= block.shape[1]
        whole = np.concatenate(pieces, axis=1) if len(pieces) > 1 else pieces[0]
        self._left = whole[:, frames:]
        return whole[:, :frames]

    def must_be_at_end(self) -> None:
        """Raise a TrackError if the reference goes on after its mixture."""
        if self._left.shape[1] or next(self._reader, None) is not None:
            raise TrackError(f"reference {self._uri} is longer than its mixture")
