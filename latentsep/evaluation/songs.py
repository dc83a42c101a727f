"""Songs with true stems to score against: folders as MUSDB-HQ lays them out, or generated ones."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from latentsep.audio.decode import Decoder
from latentsep.audio.extensions import AUDIO_EXTENSIONS
from latentsep.audio.waveform import Waveform, with_length
from latentsep.errors import ConfigError
from latentsep.quality.reference import sdr_db
from latentsep.training.config import HELD_OUT_SEEDS
from latentsep.training.song_folder import MIXTURE, read_song, song_folders
from latentsep.training.stems import GENERATORS

HELD_OUT_SEED = HELD_OUT_SEEDS + 3
"""Generated songs for scoring come from a seed that no training uses, nor its validation."""
GENERATED_RATE_HZ = 44_100
TEST_FOLDER = "test"
"""Of a data set with folders of training and test songs, as MUSDB-HQ is, only these are scored."""


@dataclass(frozen=True)
class TrueSong:
    """A mixture and its true stems, each ``[channel, sample]`` float32.

    Attributes:
        mixture_error_db: level of what the mixture is beside the sum of its stems, by its own;
            None where it is their sum.
    """

    name: str
    sample_rate_hz: int
    mixture: Waveform
    vocals: Waveform
    accompaniment: Waveform
    mixture_error_db: float | None = None

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        samples: int = self.mixture.shape[1]
        return samples / self.sample_rate_hz

    def cut(self, start: int, samples: int) -> "TrueSong":
        """A stretch of it; ``mixture_error_db`` stays that of the whole."""
        place = (slice(None), slice(start, start + samples))
        return TrueSong(
            self.name,
            self.sample_rate_hz,
            self.mixture[place],
            self.vocals[place],
            self.accompaniment[place],
            self.mixture_error_db,
        )


class SongSource(Protocol):
    """Where a song comes from; small enough to be sent to another process."""

    @property
    def name(self) -> str:
        """The song's."""
        ...

    def load(self) -> TrueSong:
        """Read or make the song."""
        ...


@dataclass(frozen=True)
class SongFolder:
    """A song on disk."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.name

    def load(self) -> TrueSong:
        """Read the stems and the mixture; without a file of it, it is the sum of the stems.

        Raises:
            ConfigError: the folder is no song, or its files differ in rate or channels.
            AudioDecodeError: a file cannot be read.
        """
        with Decoder() as decoder:
            song = read_song(self.folder, decoder)
            rate_hz, vocals, accompaniment = song.sample_rate_hz, song.vocals, song.accompaniment
            file = _mixture_file(self.folder)
            if file is None:
                return TrueSong(self.name, rate_hz, song.mixture, vocals, accompaniment)
            mixture, info = decoder.read(file)
        if (info.sample_rate_hz, len(mixture)) != (rate_hz, len(vocals)):
            raise ConfigError(
                f"{file} has {len(mixture)} channels at {info.sample_rate_hz} Hz, its stems have "
                f"{len(vocals)} at {rate_hz} Hz"
            )
        samples = max(mixture.shape[1], vocals.shape[1])
        mixture, vocals, accompaniment = (
            with_length(waveform, samples) for waveform in (mixture, vocals, accompaniment)
        )
        error_db = _difference_db(mixture, vocals + accompaniment)
        return TrueSong(self.name, rate_hz, mixture, vocals, accompaniment, error_db)


@dataclass(frozen=True)
class GeneratedSong:
    """A song of a built-in generator that no training has seen."""

    number: int
    duration_s: float
    generator: str = "plain"

    @property
    def name(self) -> str:
        """``generated-N``, with the generator's name where it is not the plain one."""
        kind = "generated" if self.generator == "plain" else f"generated-{self.generator}"
        return f"{kind}-{self.number}"

    def load(self) -> TrueSong:
        """Make the song.

        Raises:
            ConfigError: the generator lacks its programs.
        """
        rng = np.random.default_rng([HELD_OUT_SEED, self.number])
        song = GENERATORS[self.generator](rng, self.duration_s, GENERATED_RATE_HZ)
        return TrueSong(self.name, GENERATED_RATE_HZ, song.mixture, song.vocals, song.accompaniment)


def find_songs(folder: Path) -> list[SongFolder]:
    """The folder itself if it is a song, else the songs directly in it, or those in its ``test``.

    Raises:
        ConfigError: none of these.
    """
    test = folder / TEST_FOLDER
    try:
        found = song_folders(folder)
    except ConfigError:
        if not test.is_dir():
            raise
        found = song_folders(test)
    return [SongFolder(path) for path in found]


def _difference_db(mixture: Waveform, total: Waveform) -> float | None:
    """Of a mixture and the sum of its stems, by the mixture's level; None where they are equal."""
    if np.array_equal(mixture, total):
        return None
    ratio_db = sdr_db(mixture, total)
    return math.inf if ratio_db is None else -ratio_db


def _mixture_file(folder: Path) -> Path | None:
    found = [
        file
        for file in sorted(folder.glob(f"{MIXTURE}.*"))
        if file.suffix.lower() in AUDIO_EXTENSIONS and file.is_file()
    ]
    if len(found) > 1:
        raise ConfigError(f"{folder}: two files of the mixture: {[f.name for f in found]}")
    return found[0] if found else None
