"""Training examples mixed on the fly from stems of one song or of two."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from latentsep.audio.decode import Decoder
from latentsep.audio.waveform import Waveform
from latentsep.errors import ConfigError
from latentsep.training.augment import (
    compress,
    noise_under,
    reverberate,
    swap_and_flip,
    vary,
)
from latentsep.training.config import DataConfig
from latentsep.training.stems import (
    Pcm,
    TrainingSong,
    crop,
    crop_at,
    generated_songs,
    load_loose,
    load_song,
)

SILENCE_RMS = 1e-3
"""A crop below -60 dBFS counts as silent."""
CROP_ATTEMPTS = 4


@dataclass(frozen=True)
class StemPool:
    """All stems a training draws from."""

    recorded: list[TrainingSong]
    generated: list[TrainingSong]
    loose_vocals: list[Pcm] = field(default_factory=list)
    loose_accompaniment: list[Pcm] = field(default_factory=list)
    impulse_responses: list[Pcm] = field(default_factory=list)

    def describe(self) -> str:
        """Counts, for the log and the model card."""
        return (
            f"recorded_songs={len(self.recorded)} generated_songs={len(self.generated)} "
            f"loose_vocals={len(self.loose_vocals)} "
            f"loose_accompaniment={len(self.loose_accompaniment)} "
            f"impulse_responses={len(self.impulse_responses)}"
        )


@dataclass(frozen=True)
class PoolPlaces:
    """Where the stems of a pool lie."""

    data_folder: Path
    cache_folder: Path
    sample_rate_hz: int
    seed: int
    workers: int


def load_pool(config: DataConfig, places: PoolPlaces) -> StemPool:
    """Read recorded stems and generate the songs that are not in the cache yet."""
    data, rate_hz = places.data_folder, places.sample_rate_hz

    with Decoder() as decoder:

        def loose(patterns: Sequence[str]) -> list[Pcm]:
            found = (load_loose(pattern, data, rate_hz, decoder) for pattern in patterns)
            return [stem for stems in found for stem in stems]

        recorded = [load_song(data / song, rate_hz, decoder) for song in config.songs]
        loose_vocals = loose(config.vocals)
        loose_accompaniment = loose(config.accompaniment)
        impulse_responses = loose(config.impulse_responses)
    return StemPool(
        recorded=recorded,
        generated=generated_songs(
            config, rate_hz, places.cache_folder, places.seed, places.workers
        ),
        loose_vocals=loose_vocals,
        loose_accompaniment=loose_accompaniment,
        impulse_responses=impulse_responses,
    )


class Mixer:
    """Draws ``(vocals, accompaniment)`` pairs ``[2, sample]`` from a pool."""

    def __init__(
        self, pool: StemPool, config: DataConfig, crop_samples: int, sample_rate_hz: int
    ) -> None:
        if not pool.recorded and not pool.generated:
            raise ConfigError(
                "the pool has no song: list data.songs, or set data.generated_songs above 0"
            )
        self.pool = pool
        self.config = config
        self.crop_samples = crop_samples
        self.sample_rate_hz = sample_rate_hz

    def example(self, rng: np.random.Generator) -> tuple[Waveform, Waveform]:
        """One pair; the mixture is its sum. At most one of the two is silent.

        Noise and the damage of a lossy codec are the accompaniment's: the vocals are wanted clean.
        """
        if rng.random() < self.config.remix_share:
            vocals = vary(self._vocals(rng), rng)
            if self.pool.impulse_responses and rng.random() < 0.2:
                vocals = reverberate(vocals, _pick(self.pool.impulse_responses, rng), rng)
            accompaniment = vary(self._accompaniment(rng), rng)
            vocals = self._balance(vocals, accompaniment, rng)
        else:
            vocals, accompaniment = self._same_song(rng)
        vocals, accompaniment = swap_and_flip(vocals, accompaniment, rng)
        mean_db, deviation_db = self.config.gain_db
        if deviation_db or mean_db:
            gain = np.float32(10 ** (rng.normal(mean_db, deviation_db) / 20))
            vocals, accompaniment = vocals * gain, accompaniment * gain
        draw = rng.random()
        if draw < self.config.silent_vocals_share:
            vocals = np.zeros_like(vocals)
        elif draw > 1 - self.config.silent_accompaniment_share and vocals.any():
            accompaniment = np.zeros_like(accompaniment)
        return vocals, self._worn(vocals, accompaniment, rng)

    def _worn(
        self, vocals: Waveform, accompaniment: Waveform, rng: np.random.Generator
    ) -> Waveform:
        """The accompaniment after what happens to mixtures on their way to a listener."""
        if rng.random() < self.config.noise_share:
            accompaniment = accompaniment + noise_under(vocals + accompaniment, rng)
        if rng.random() < self.config.lossy_share:
            heard = compress(vocals + accompaniment, self.sample_rate_hz, rng)
            accompaniment = heard - vocals
        return accompaniment

    def batch(self, items: int, rng: np.random.Generator) -> tuple[Waveform, Waveform]:
        """``items`` pairs stacked to two arrays ``[item, 2, sample]``."""
        pairs = [self.example(rng) for _ in range(items)]
        return np.stack([v for v, _ in pairs]), np.stack([a for _, a in pairs])

    def _song(self, rng: np.random.Generator) -> TrainingSong:
        generated = self.pool.generated and rng.random() < self.config.generated_share
        songs = self.pool.generated if generated or not self.pool.recorded else self.pool.recorded
        return songs[int(rng.integers(len(songs)))]

    def _vocals(self, rng: np.random.Generator) -> Waveform:
        if self.pool.loose_vocals and rng.random() < self.config.loose_share:
            return self._fill(self.pool.loose_vocals, rng)
        return self._audible(lambda: _present(self._song(rng).vocals), rng)

    def _accompaniment(self, rng: np.random.Generator) -> Waveform:
        piece = self._audible(lambda: _present(self._song(rng).accompaniment), rng)
        if self.pool.loose_accompaniment and rng.random() < 2 * self.config.loose_share:
            piece = piece + self._fill(self.pool.loose_accompaniment, rng)
        return piece

    def _audible(self, pick: Callable[[], Pcm], rng: np.random.Generator) -> Waveform:
        for _ in range(CROP_ATTEMPTS):
            piece = crop(pick(), self.crop_samples, rng)
            if _rms(piece) > SILENCE_RMS:
                break
        return piece

    def _fill(self, stems: list[Pcm], rng: np.random.Generator) -> Waveform:
        """Several short recordings over one crop, or one long one."""
        piece = np.zeros((2, self.crop_samples), np.float32)
        for _ in range(int(rng.integers(1, 4))):
            piece += crop(_pick(stems, rng), self.crop_samples, rng)
        return piece

    def _same_song(self, rng: np.random.Generator) -> tuple[Waveform, Waveform]:
        for _ in range(CROP_ATTEMPTS):
            song = self._song(rng)
            vocals, accompaniment = _present(song.vocals), _present(song.accompaniment)
            spare = max(vocals.shape[1], accompaniment.shape[1]) - self.crop_samples
            start = int(rng.integers(min(0, spare), max(0, spare) + 1))
            pair = (
                crop_at(vocals, self.crop_samples, start),
                crop_at(accompaniment, self.crop_samples, start),
            )
            if _rms(pair[0]) > SILENCE_RMS:
                break
        gain = np.float32(10 ** (rng.normal(0, 2) / 20))
        return pair[0] * gain, pair[1]

    def _balance(
        self, vocals: Waveform, accompaniment: Waveform, rng: np.random.Generator
    ) -> Waveform:
        mean_db, deviation_db = self.config.vocals_gain_db
        wanted = 10 ** (rng.normal(mean_db, deviation_db) / 20)
        ratio = _rms(accompaniment) / max(_rms(vocals), SILENCE_RMS)
        return vocals * np.float32(np.clip(wanted * ratio, 1e-2, 1e2))


def _present(stem: Pcm | None) -> Pcm:
    return np.zeros((2, 1), np.int16) if stem is None else stem


def _pick(stems: Sequence[Pcm], rng: np.random.Generator) -> Pcm:
    return stems[int(rng.integers(len(stems)))]


def _rms(piece: Waveform) -> float:
    return float(np.sqrt(np.mean(np.square(piece))))
