"""Songs with true stems to score against: MUSDB-HQ folders, and generated ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latentsep.audio.decode import Decoder
from latentsep.audio.waveform import Waveform
from latentsep.errors import ConfigError
from latentsep.training.songs import generate_song

HELD_OUT_SEED = 1_000_003
"""Generated songs for scoring come from a seed that no training file uses."""
MIXTURE = "mixture"
VOCALS = "vocals"


@dataclass(frozen=True)
class ReferenceSong:
    """One song and its true stems ``[channel, sample]``; they add up to the mixture."""

    name: str
    sample_rate_hz: int
    vocals: Waveform
    accompaniment: Waveform

    @property
    def mixture(self) -> Waveform:
        """The sum of the stems."""
        return self.vocals + self.accompaniment


def song_folders(folder: Path) -> list[Path]:
    """The folder itself if it is a song, else the songs directly in it.

    Raises:
        ConfigError: neither.
    """
    if _stem_files(folder):
        return [folder]
    found = sorted(child for child in folder.glob("*") if child.is_dir() and _stem_files(child))
    if not found:
        raise ConfigError(
            f"{folder}: no song found; a song is a folder with vocals.* and other stems beside it"
        )
    return found


def read_song(folder: Path, decoder: Decoder) -> ReferenceSong:
    """Read the stems of a song; all but ``vocals`` and ``mixture`` add up to the accompaniment.

    Raises:
        AudioDecodeError: a stem cannot be read.
        ConfigError: the stems differ in rate or channels.
    """
    files = _stem_files(folder)
    stems: dict[str, Waveform] = {}
    formats = set()
    for name, file in files.items():
        stems[name], info = decoder.read(file)
        formats.add((info.sample_rate_hz, info.channels))
    if len(formats) != 1:
        raise ConfigError(f"{folder}: stems differ in rate or channels: {sorted(formats)}")
    ((rate_hz, channels),) = formats
    frames = max(stem.shape[1] for stem in stems.values())
    sums = {VOCALS: np.zeros((channels, frames), np.float32)}
    sums["rest"] = np.zeros_like(sums[VOCALS])
    for name, stem in stems.items():
        sums[VOCALS if name == VOCALS else "rest"][:, : stem.shape[1]] += stem
    return ReferenceSong(folder.name, rate_hz, sums[VOCALS], sums["rest"])


def generated_songs(count: int, duration_s: float) -> Iterator[ReferenceSong]:
    """Songs of the built-in generator that no training has seen."""
    for number in range(count):
        song = generate_song(np.random.default_rng([HELD_OUT_SEED, number]), duration_s)
        yield ReferenceSong(f"generated-{number}", 44_100, song.vocals, song.accompaniment)


def _stem_files(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    files = {f.stem: f for f in sorted(folder.iterdir()) if f.is_file() and f.stem != MIXTURE}
    return files if VOCALS in files and len(files) > 1 else {}
