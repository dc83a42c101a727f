"""Stems in memory or on disk, cut at random places."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt

from latentsep.audio.decode import Decoder
from latentsep.audio.resample import resample
from latentsep.audio.waveform import Waveform
from latentsep.errors import ConfigError
from latentsep.training import rich_songs, songs
from latentsep.training.config import GeneratedConfig
from latentsep.training.song_folder import read_song

Pcm = npt.NDArray[np.int16]
PCM_SCALE = 32_767

GENERATORS: dict[str, Callable[[np.random.Generator, float, int], songs.Song]] = {
    "plain": songs.generate_song,
    "rich": rich_songs.generate_song,
}
"""By the name in ``GeneratedConfig.generated_songs``."""


@dataclass(frozen=True)
class TrainingSong:
    """Two stems ``[channel, sample]`` int16 of one recording; either may be missing."""

    name: str
    vocals: Pcm | None
    accompaniment: Pcm | None


def load_song(folder: Path, sample_rate_hz: int, decoder: Decoder) -> TrainingSong:
    """Read a song folder; see ``song_folder.read_song``.

    Raises:
        ConfigError: the folder is no song.
        AudioDecodeError: a stem cannot be read.
    """
    song = read_song(folder, decoder)
    vocals, accompaniment = (
        _stereo(stem, song.sample_rate_hz, sample_rate_hz)
        for stem in (song.vocals, song.accompaniment)
    )
    peak = max(1.0, *(float(np.abs(stem).max()) for stem in (vocals, accompaniment)))
    return TrainingSong(song.name, _to_pcm(vocals / peak), _to_pcm(accompaniment / peak))


def load_loose(pattern: str, folder: Path, sample_rate_hz: int, decoder: Decoder) -> list[Pcm]:
    """Read every file that matches a glob below a folder.

    Raises:
        ConfigError: nothing matches.
        AudioDecodeError: a file cannot be read.
    """
    files = sorted(folder.glob(pattern))
    if not files:
        raise ConfigError(f"no file matches {pattern!r} below {folder}")
    stems = []
    for file in files:
        waveform, info = decoder.read(file)
        stems.append(_to_pcm(_stereo(waveform, info.sample_rate_hz, sample_rate_hz)))
    return stems


def generated_songs(
    config: GeneratedConfig, sample_rate_hz: int, folder: Path, seed: int, workers: int
) -> list[TrainingSong]:
    """Generated songs, kept in ``folder`` as int16 so that a resume finds the same ones.

    Raises:
        ConfigError: the rich generator lacks its programs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [
        _Job(folder, generator, config.generated_song_s, sample_rate_hz, (seed, number))
        for generator, songs_wanted in sorted(config.generated_songs.items())
        for number in range(songs_wanted)
    ]
    missing = [job for job in jobs if not job.file.exists()]
    processes = min(workers, len(missing))
    if processes > 1:
        # A forked copy of a process with threads may never answer.
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            list(pool.map(_generate, missing))
    else:
        for job in missing:
            _generate(job)
    return [_open_generated(job.file) for job in jobs]


def crop(stem: Pcm, samples: int, rng: np.random.Generator) -> Waveform:
    """A piece ``[2, samples]`` from anywhere; a shorter stem lies anywhere in it, whole."""
    spare = stem.shape[1] - samples
    return crop_at(stem, samples, int(rng.integers(min(0, spare), max(0, spare) + 1)))


def crop_at(stem: Pcm, samples: int, start: int) -> Waveform:
    """A piece ``[2, samples]`` from ``start`` on; what lies outside the stem is silence."""
    length = stem.shape[1]
    piece = np.zeros((2, samples), np.float32)
    first, last = min(max(start, 0), length), min(start + samples, length)
    piece[:, first - start : last - start] = _to_float(stem[:, first:last])
    return piece


@dataclass(frozen=True)
class _Job:
    folder: Path
    generator: str
    duration_s: float
    sample_rate_hz: int
    seed: tuple[int, int]

    @property
    def file(self) -> Path:
        seed, number = self.seed
        name = "song" if self.generator == "plain" else f"{self.generator}-song"
        kind = f"{name}-{seed}-{self.duration_s:g}s-{self.sample_rate_hz}hz"
        return self.folder / f"{kind}-{number:05d}.npy"


def _generate(job: _Job) -> None:
    rng = np.random.default_rng(job.seed)
    song = GENERATORS[job.generator](rng, job.duration_s, job.sample_rate_hz)
    temporary = job.file.with_suffix(".part.npy")
    np.save(temporary, np.stack([_to_pcm(song.vocals), _to_pcm(song.accompaniment)]))
    temporary.replace(job.file)


def _open_generated(file: Path) -> TrainingSong:
    stems = np.load(file, mmap_mode="r")
    return TrainingSong(file.stem, stems[0], stems[1])


def _stereo(waveform: Waveform, rate_hz: int, wanted_rate_hz: int) -> Waveform:
    two = waveform[:2] if len(waveform) >= 2 else np.repeat(waveform, 2, axis=0)
    return resample(two, rate_hz, wanted_rate_hz)


def _to_pcm(waveform: npt.NDArray[np.floating]) -> Pcm:
    pcm: Pcm = np.round(np.clip(waveform, -1, 1) * PCM_SCALE).astype(np.int16)
    return pcm


def _to_float(pcm: Pcm) -> Waveform:
    return pcm.astype(np.float32) / np.float32(PCM_SCALE)
