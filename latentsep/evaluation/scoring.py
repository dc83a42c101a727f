"""Score separators against true stems, with references in the same table."""

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch

from latentsep.audio.resample import resample
from latentsep.audio.waveform import Waveform
from latentsep.evaluation.repet_sim import separate_repet_sim
from latentsep.models.model import Model
from latentsep.quality.reference import sdr_db, si_sdr_db
from latentsep.separation.downmix import downmix
from latentsep.separation.separator import Separator
from latentsep.training.song_folder import ReferenceSong

System = Callable[[ReferenceSong], Waveform]
"""Estimates the vocals ``[channel, sample]`` of a song; only a reference looks at its stems."""


@dataclass(frozen=True)
class Score:
    """One system on one song; global per song, no filter fitted; None where it is undefined."""

    song: str
    system: str
    vocals_sdr_db: float | None
    vocals_si_sdr_db: float | None
    accompaniment_sdr_db: float | None
    realtime_factor: float


@dataclass(frozen=True)
class Summary:
    """Medians of one system over all songs where the figure is defined."""

    system: str
    songs: int
    undefined: int
    vocals_sdr_db: float | None
    vocals_si_sdr_db: float | None
    accompaniment_sdr_db: float | None
    realtime_factor: float


def reference_systems() -> dict[str, System]:
    """What every table holds beside the model: the mixture itself and a classical mask."""
    return {
        "mixture": lambda song: song.mixture,
        "REPET-SIM": lambda song: separate_repet_sim(song.mixture, song.sample_rate_hz),
    }


def model_system(separator: Separator) -> System:
    """A separator as a system."""
    return lambda song: separator.separate(song.mixture, song.sample_rate_hz).vocals


def codec_ceiling(model: Model) -> System:
    """The true vocals through the model's codec and back: what unmasked output cannot pass."""
    codec = model.latent_space.codec

    def ceiling(song: ReferenceSong) -> Waveform:
        vocals = resample(song.vocals, song.sample_rate_hz, codec.sample_rate_hz)
        stereo = downmix(torch.from_numpy(vocals))
        hops = -(-stereo.shape[1] // codec.hop_samples)
        padded = torch.nn.functional.pad(stereo, (0, hops * codec.hop_samples - stereo.shape[1]))
        with torch.inference_mode():
            decoded = codec.decode(codec.encode(padded[None]))[0, :, : stereo.shape[1]]
        kept = decoded if len(vocals) == 2 else decoded.mean(dim=0, keepdim=True)
        back = resample(kept.cpu().numpy(), codec.sample_rate_hz, song.sample_rate_hz)
        return back[:, : song.vocals.shape[1]]

    return ceiling


def score(songs: Iterable[ReferenceSong], systems: Mapping[str, System]) -> Iterator[Score]:
    """Every system on every song, song by song."""
    for song in songs:
        for name, system in systems.items():
            yield _score_one(song, name, system)


def summarise(scores: Iterable[Score]) -> list[Summary]:
    """Medians over songs, one row for each system in order of appearance."""
    by_system: dict[str, list[Score]] = {}
    for row in scores:
        by_system.setdefault(row.system, []).append(row)
    return [_summary(system, rows) for system, rows in by_system.items()]


def _score_one(song: ReferenceSong, name: str, system: System) -> Score:
    began = time.perf_counter()
    estimate = system(song)
    wall_s = time.perf_counter() - began
    return Score(
        song=song.name,
        system=name,
        vocals_sdr_db=sdr_db(song.vocals, estimate),
        vocals_si_sdr_db=si_sdr_db(song.vocals, estimate),
        accompaniment_sdr_db=sdr_db(song.accompaniment, song.mixture - estimate),
        realtime_factor=song.vocals.shape[1] / song.sample_rate_hz / max(wall_s, 1e-9),
    )


def _summary(system: str, rows: list[Score]) -> Summary:
    return Summary(
        system=system,
        songs=len(rows),
        undefined=sum(row.vocals_sdr_db is None for row in rows),
        vocals_sdr_db=_median(row.vocals_sdr_db for row in rows),
        vocals_si_sdr_db=_median(row.vocals_si_sdr_db for row in rows),
        accompaniment_sdr_db=_median(row.accompaniment_sdr_db for row in rows),
        realtime_factor=statistics.median(row.realtime_factor for row in rows),
    )


def _median(values: Iterable[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return statistics.median(defined) if defined else None
