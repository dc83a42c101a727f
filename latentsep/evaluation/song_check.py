"""What can go wrong with a whole song, apart from how well it is separated."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from latentsep.audio.resample import resample
from latentsep.errors import NonFiniteAudioError
from latentsep.evaluation.seams import moved_vocals
from latentsep.evaluation.songs import SongSource, TrueSong
from latentsep.quality.border_flux import (
    FRAME_SAMPLES,
    excess_percent,
    places_between,
    spectral_flux,
)
from latentsep.quality.silence import level_in_silence_db
from latentsep.separation.plan import WindowPlan
from latentsep.separation.separator import Separator

MOST_FLUX_PERCENT = 2.0


@dataclass(frozen=True)
class SongCheck:
    """One song.

    Attributes:
        finite: the model's vocals have neither NaN nor infinity; if not, the rest is not known.
        borders: of chunks and windows, those where the vocals sound.
        flux_percent: how far the spectral flux there is above what it is at the same places of the
            song when they are no borders; see ``check_song``.
        elsewhere_percent: how far it is above the flux at other places of the song; with few
            borders that scatters by several percent, whatever the model does.
        in_silence_db: level of the vocals where the true ones are silent, by that of these
            elsewhere; None where they never are.
    """

    song: str
    duration_s: float
    finite: bool
    borders: int = 0
    flux_percent: float | None = None
    elsewhere_percent: float | None = None
    in_silence_db: float | None = None

    @property
    def passed(self) -> bool:
        """Nothing is wrong: all finite, and borders as the same places without them."""
        flux = self.flux_percent
        return self.finite and (flux is None or abs(flux) <= MOST_FLUX_PERCENT)


def check_songs(
    sources: Iterable[SongSource], separator: Separator, excerpt_s: float | None
) -> Iterator[SongCheck]:
    """Check songs, or the middle of each, one after another."""
    for source in sources:
        yield check_song(_middle(source.load(), excerpt_s), separator)


def check_song(song: TrueSong, separator: Separator) -> SongCheck:
    """Separate a song twice, with chunks in different places.

    A change of the music that happens to lie at a border is in both, so what is left of the
    comparison is the border's own.
    """
    rate_hz = separator.sample_rate_hz
    mixture, true = (
        resample(waveform, song.sample_rate_hz, rate_hz) for waveform in (song.mixture, song.vocals)
    )
    plan, samples = separator.plan, mixture.shape[1]
    # Half way to the next border, on the network's own grid.
    half_frames = min(plan.core_hops, plan.chunk_core_frames) // 2
    delay_frames = max(1, half_frames // plan.stride_frames) * plan.stride_frames
    try:
        vocals = separator.separate(mixture, rate_hz).vocals
        moved = moved_vocals(separator, mixture, delay_frames)
    except NonFiniteAudioError:
        return SongCheck(song.name, song.duration_s, finite=False)
    borders = _borders(plan, samples)
    delay_samples = delay_frames * plan.hop_samples
    others = [border - delay_samples for border in _borders(plan, samples + delay_samples)]
    places = [p for p in borders if all(abs(p - other) > FRAME_SAMPLES for other in others)]
    flux = spectral_flux(vocals, places)
    unbroken = spectral_flux(moved[:, delay_samples:], places)
    elsewhere = spectral_flux(vocals, places_between(borders, samples))
    return SongCheck(
        song.name,
        song.duration_s,
        finite=True,
        borders=len(flux),
        flux_percent=excess_percent(flux, unbroken),
        elsewhere_percent=excess_percent(flux, elsewhere),
        in_silence_db=level_in_silence_db(true, vocals, rate_hz),
    )


def _borders(plan: WindowPlan, samples: int) -> list[int]:
    """Of windows and of chunks, in samples."""
    return sorted({*plan.window_borders(samples), *plan.chunk_borders(samples)})


def _middle(song: TrueSong, excerpt_s: float | None) -> TrueSong:
    if excerpt_s is None:
        return song
    wanted = math.ceil(excerpt_s * song.sample_rate_hz)
    spare = song.mixture.shape[1] - wanted
    return song if spare <= 0 else song.cut(spare // 2, wanted)
