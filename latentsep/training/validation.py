"""The same few excerpts, never trained on, looked at again and again while a training runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from latentsep.audio.decode import Decoder
from latentsep.audio.waveform import Waveform
from latentsep.errors import ConfigError
from latentsep.quality.reference import si_sdr_db
from latentsep.training.config import HELD_OUT_SEEDS, DataConfig, ValidationConfig
from latentsep.training.mixing import SILENCE_RMS, PoolPlaces
from latentsep.training.stems import TrainingSong, crop_at, generated_songs, load_song
from latentsep.training.task import Task

VALIDATION_SEED = HELD_OUT_SEEDS + 1
LEAST_SI_SDR_DB = -30.0
"""An estimate without any vocals, as before the first step of a diffusion model, counts as this."""


@dataclass(frozen=True)
class Excerpts:
    """True stems ``[item, 2, sample]`` float32, the same in every run of a training file."""

    vocals: Waveform
    accompaniment: Waveform

    def __len__(self) -> int:
        return len(self.vocals)


@dataclass(frozen=True)
class ValidationScores:
    """What averaged weights do on the excerpts.

    Attributes:
        loss: the objective's.
        si_sdr_db: for each excerpt, of the decoded vocals; of a task that separates, how far above
            the mixture's.
    """

    loss: float
    si_sdr_db: list[float]


def check_held_out(data: DataConfig, validation: ValidationConfig, data_folder: Path) -> None:
    """Refuse songs for validation that the training would hear.

    Raises:
        ConfigError: a song, or a recording that a glob finds, belongs to one.
    """
    held_out = {(data_folder / song).resolve(): song for song in validation.songs}
    patterns = (*data.vocals, *data.accompaniment)
    found = [file for pattern in patterns for file in data_folder.glob(pattern)]
    for path in (*(data_folder / song for song in data.songs), *found):
        resolved = path.resolve()
        for folder, song in held_out.items():
            if folder in (resolved, *resolved.parents):
                raise ConfigError(
                    f"validation.songs has {song!r}, and the training hears {path}; a song is for "
                    "one or for the other"
                )


def load_excerpts(config: ValidationConfig, places: PoolPlaces, samples: int) -> Excerpts:
    """Read and make the songs, and cut the excerpts.

    Each song is cut into pieces one after another. Of those in which both stems sound, as many as
    are wanted are taken, evenly spread over the song: no draw is needed, so nothing can change it.

    Raises:
        ConfigError: a folder is no song, or nowhere do voice and accompaniment sound together.
        AudioDecodeError: a stem cannot be read.
    """
    songs = _songs(config, places)
    pieces: list[tuple[Waveform, Waveform]] = []
    for number, song in enumerate(songs):
        wanted = (config.excerpts + len(songs) - 1 - number) // len(songs)
        pieces += _spread(_sounding(song, samples), wanted)
    if not pieces:
        raise ConfigError(
            f"validation: no {samples / places.sample_rate_hz:.1f} s of its {len(songs)} songs "
            "have vocals and accompaniment; list validation.songs or set generated_songs"
        )
    return Excerpts(np.stack([v for v, _ in pieces]), np.stack([a for _, a in pieces]))


@torch.no_grad()
def validate(task: Task, excerpts: Excerpts, batch_items: int, bf16: bool) -> ValidationScores:
    """Loss and scores of the task's module as it is; all draws are from a seed of their own."""
    generator = torch.Generator().manual_seed(VALIDATION_SEED)
    losses, scores = [], []
    for start in range(0, len(excerpts), batch_items):
        place = slice(start, start + batch_items)
        vocals, accompaniment = excerpts.vocals[place], excerpts.accompaniment[place]
        batch = task.examples(vocals, accompaniment)
        with torch.autocast(batch[0].device.type, torch.bfloat16, enabled=bf16):
            loss = float(task.loss(batch, generator))
        losses.append(loss * len(vocals))
        estimates = task.estimate(vocals, accompaniment, generator)
        mixtures = vocals + accompaniment
        for true, estimate, mixture in zip(vocals, estimates, mixtures, strict=True):
            before_db = _si_sdr_db(true, mixture) if task.separates else 0.0
            scores.append(_si_sdr_db(true, estimate) - before_db)
    return ValidationScores(sum(losses) / len(excerpts), scores)


def _songs(config: ValidationConfig, places: PoolPlaces) -> list[TrainingSong]:
    rate_hz = places.sample_rate_hz
    with Decoder() as decoder:
        recorded = [load_song(places.data_folder / song, rate_hz, decoder) for song in config.songs]
    cache, workers = places.cache_folder, places.workers
    return [*recorded, *generated_songs(config, rate_hz, cache, VALIDATION_SEED, workers)]


def _sounding(song: TrainingSong, samples: int) -> list[tuple[Waveform, Waveform]]:
    """Pieces one after another in which both stems are heard."""
    vocals, accompaniment = song.vocals, song.accompaniment
    if vocals is None or accompaniment is None:
        return []
    pairs = [
        (crop_at(vocals, samples, start), crop_at(accompaniment, samples, start))
        for start in range(0, vocals.shape[1] - samples + 1, samples)
    ]
    return [pair for pair in pairs if min(_rms(stem) for stem in pair) > SILENCE_RMS]


def _spread(
    pieces: Sequence[tuple[Waveform, Waveform]], wanted: int
) -> list[tuple[Waveform, Waveform]]:
    """So many of them, evenly: the middles of as many parts of equal length."""
    count = min(wanted, len(pieces))
    return [pieces[(2 * number + 1) * len(pieces) // (2 * count)] for number in range(count)]


def _si_sdr_db(true: Waveform, estimate: Waveform) -> float:
    value = si_sdr_db(true, estimate)
    return LEAST_SI_SDR_DB if value is None else max(LEAST_SI_SDR_DB, value)


def _rms(piece: Waveform) -> float:
    return float(np.sqrt(np.mean(np.square(piece))))
