"""Songs with true stems on disk, as MUSDB-HQ lays them out: a folder with a file per stem."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latentsep.audio.decode import Decoder
from latentsep.audio.extensions import AUDIO_EXTENSIONS
from latentsep.audio.waveform import Waveform
from latentsep.errors import ConfigError

MIXTURE = "mixture"
VOCALS = "vocals"


@dataclass(frozen=True)
class ReferenceSong:
    """One song and its true stems ``[channel, sample]``, which add up to the mixture."""

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
    found = sorted(child for child in folder.glob("*") if _stem_files(child))
    if not found:
        raise ConfigError(
            f"{folder}: no song found; a song is a folder with vocals.* and other stems beside it"
        )
    return found


def read_song(folder: Path, decoder: Decoder) -> ReferenceSong:
    """Read the stems of a song; all but ``vocals`` and ``mixture`` add up to the accompaniment.

    Raises:
        ConfigError: the folder is no song, or its stems differ in rate or channels.
        AudioDecodeError: a stem cannot be read.
    """
    files = _stem_files(folder)
    if not files:
        raise ConfigError(f"{folder}: vocals.* and at least one other stem are needed, not found")
    stems = {name: decoder.read(file) for name, file in files.items()}
    formats = {(info.sample_rate_hz, info.channels) for _, info in stems.values()}
    if len(formats) != 1:
        raise ConfigError(f"{folder}: stems differ in (rate, channels): {sorted(formats)}")
    ((rate_hz, channels),) = formats
    frames = max(stem.shape[1] for stem, _ in stems.values())
    sums = np.zeros((2, channels, frames), np.float32)
    for name, (stem, _) in stems.items():
        sums[0 if name == VOCALS else 1, :, : stem.shape[1]] += stem
    return ReferenceSong(folder.name, rate_hz, vocals=sums[0], accompaniment=sums[1])


def _stem_files(folder: Path) -> dict[str, Path]:
    """Files by stem name; none if the folder is not a song."""
    if not folder.is_dir():
        return {}
    found = [f for f in sorted(folder.iterdir()) if _is_stem(f)]
    files = {f.stem: f for f in found}
    if VOCALS not in files or len(files) < 2:
        return {}
    if len(files) < len(found):
        raise ConfigError(f"{folder}: two files of one stem among {[f.name for f in found]}")
    return files


def _is_stem(file: Path) -> bool:
    is_audio = file.suffix.lower() in AUDIO_EXTENSIONS and not file.name.startswith(".")
    return is_audio and file.stem != MIXTURE and file.is_file()
