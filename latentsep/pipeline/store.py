"""Stems to files while they stream in."""

import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from latentsep.audio.encode import TEMPORARY_PREFIX, AudioWriter, StemFormat
from latentsep.audio.source import SourceInfo
from latentsep.errors import ConfigError
from latentsep.separation.stems import Stems

STEM_NAMES = ("vocals", "accompaniment")
DEFAULT_BIT_DEPTH = 16
STALE_AFTER_S = 24 * 3600.0


@dataclass(frozen=True)
class OutputOptions:
    """How stems are written; what is left out follows the source.

    Raises:
        ConfigError: the codec is unknown, or cannot have the bit depth.
    """

    codec: str = "flac"
    bit_depth: int | None = None

    def __post_init__(self) -> None:
        if self.bit_depth is not None and not self.is_lossless:
            raise ConfigError(
                f"{self.codec} has no bit depth, got {self.bit_depth}; take --flac or --wav with it"
            )
        lossless_depth = self.bit_depth or DEFAULT_BIT_DEPTH
        StemFormat(self.codec, lossless_depth if self.is_lossless else None)

    @property
    def is_lossless(self) -> bool:
        """Whether the codec keeps samples as they are."""
        return self.codec in ("flac", "wav")

    def format_for(self, info: SourceInfo) -> StemFormat:
        """Format of the stems of one source.

        Without a wish, flac and wav take 16 bits for sources of up to 16 bits and for lossy ones,
        and 24 bits for anything finer.
        """
        if not self.is_lossless or self.bit_depth is not None:
            return StemFormat(self.codec, self.bit_depth)
        is_fine = info.is_lossless and (
            info.bit_depth is None or info.bit_depth > DEFAULT_BIT_DEPTH
        )
        return StemFormat(self.codec, 24 if is_fine else DEFAULT_BIT_DEPTH)


@dataclass
class LevelCounts:
    """Samples that could not be written as they were."""

    mixture_clipped_samples: int = 0
    limited_samples: int = 0


class StemFiles:
    """Writes the stems of one track; both appear when the block ends well, or neither does.

    In: ``Stems`` blocks in order, at the source's rate. Integer formats get stems whose sum is the
    mixture in integers, see ``Stems.on_grid``.
    """

    def __init__(self, paths: Mapping[str, Path], fmt: StemFormat, info: SourceInfo) -> None:
        self.counts = LevelCounts()
        self.frames = 0
        self._format = fmt
        self._writers = {
            stem: AudioWriter(path, fmt, info.sample_rate_hz, info.channels, _tags(info, stem))
            for stem, path in paths.items()
        }
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for writer in self._writers.values():
                stack.enter_context(writer)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._stack.__exit__(kind, error, trace)
        except BaseException:
            for writer in self._writers.values():
                if writer.is_published:
                    with suppress(OSError):
                        writer.path.unlink()
            raise

    def write(self, stems: Stems) -> None:
        """Append one block of both stems."""
        vocals, accompaniment = self._writers["vocals"], self._writers["accompaniment"]
        self.frames += stems.vocals.shape[1]
        if self._format.is_integer and self._format.bit_depth is not None:
            integers = stems.on_grid(self._format.bit_depth)
            vocals.write_integers(integers.vocals)
            accompaniment.write_integers(integers.accompaniment)
            self.counts.mixture_clipped_samples += integers.mixture_clipped_samples
            self.counts.limited_samples += integers.limited_samples
        else:
            vocals.write(stems.vocals)
            accompaniment.write(stems.accompaniment)


def remove_stale(folder: Path) -> None:
    """Remove temporary files that a killed run left below a folder.

    They must be a day old: nobody is writing those any more.
    """
    for left in folder.rglob(f"{TEMPORARY_PREFIX}*.tmp"):
        # Another run may publish or remove it at this moment.
        with suppress(OSError):
            if left.is_file() and time.time() - left.stat().st_mtime > STALE_AFTER_S:
                left.unlink()


def _tags(info: SourceInfo, stem: str) -> dict[str, str]:
    title = info.tags.get("title")
    return {**info.tags, "title": f"{title} ({stem})"} if title else dict(info.tags)
