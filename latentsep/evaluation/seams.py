"""How much the stems depend on where chunks and windows start, and whether their borders show."""

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from latentsep.audio.waveform import Waveform
from latentsep.errors import ConfigError
from latentsep.models.model import Model
from latentsep.quality.border_flux import Flux, excess_percent, places_between, spectral_flux
from latentsep.separation.noise import TrackNoise
from latentsep.separation.options import SeparationOptions
from latentsep.separation.plan import WindowPlan
from latentsep.separation.separator import Separator

SHIFTS_STRIDES = (1, 7, 100, 333)
CHUNKS_S = (10.0, 25.0)
NEAR_S = 1.0
"""What lies so near a border of windows is looked at apart when their halo changes."""


@dataclass(frozen=True)
class SeamFigure:
    """One figure, lower is better.

    In dB: energy of a change in the vocals over the energy of the vocals. In %: how far the
    spectral flux at borders is above that elsewhere, see ``quality.border_flux``.
    """

    name: str
    value: float | None
    unit: str


def measure_seams(
    model: Model, options: SeparationOptions, mixture: Waveform, sample_rate_hz: int
) -> Iterator[SeamFigure]:
    """Shift the grid of chunks by leading silence, cut other chunks, lengthen the windows' halo.

    The mixture is at the model's own rate, so that silence of whole strides moves nothing but the
    grid; the sampler's noise moves with the song. All shifted stems are searched for borders that
    stand out.

    Raises:
        ValueError: the mixture has another rate.
        ConfigError: the options are impossible for the model. Another chunk length that is too
            short for its contexts has no figure.
    """
    separator = Separator(model, options)
    if sample_rate_hz != separator.sample_rate_hz:
        raise ValueError(
            f"a mixture at {separator.sample_rate_hz} Hz is wanted, got {sample_rate_hz}"
        )
    flux = _BorderFlux(separator.plan)
    vocals = separator.separate(mixture, sample_rate_hz).vocals
    flux.add(vocals)
    for strides in SHIFTS_STRIDES:
        moved = moved_vocals(separator, mixture, strides * separator.plan.stride_frames)
        flux.add(moved)
        shifted = moved[:, moved.shape[1] - vocals.shape[1] :]
        yield _change(f"grid shifted by {strides} strides", shifted, vocals)
    for segment_s in CHUNKS_S:
        yield _chunk_figure(model, options, segment_s, mixture, vocals)
    yield from _halo_figures(separator, mixture, vocals)
    yield from flux.figures()


def _chunk_figure(
    model: Model, options: SeparationOptions, segment_s: float, mixture: Waveform, vocals: Waveform
) -> SeamFigure:
    """What chunks of another length change; the mixture is at the model's rate."""
    name = f"chunks of {segment_s:.0f} s"
    try:
        other = Separator(model, options.model_copy(update={"segment_s": segment_s}))
    except ConfigError:  # these options fit with the model's own chunks, so the length is too short
        return SeamFigure(name, None, "dB")
    return _change(name, other.separate(mixture, other.sample_rate_hz).vocals, vocals)


class _MovedNoise(TrackNoise):
    """Noise of a nameless track that begins ``delay_frames`` later."""

    def __init__(self, seed: int, latent_channels: int, delay_frames: int) -> None:
        super().__init__(seed, "", latent_channels)
        self.delay_frames = delay_frames

    def frames(self, draw: int, step: int, first_frame: int, frames: int) -> Tensor:
        return super().frames(draw, step, first_frame - self.delay_frames, frames)


def moved_vocals(separator: Separator, mixture: Waveform, frames: int) -> Waveform:
    """Vocals of the mixture after silence of so many frames, that silence included.

    The mixture is at the model's rate.
    """
    codec = separator.model.latent_space.codec
    silence = np.zeros((len(mixture), frames * codec.hop_samples), np.float32)
    session = separator.session(separator.sample_rate_hz, len(mixture))
    session.noise = _MovedNoise(separator.options.seed, codec.latent_channels, frames)
    pieces = separator.run(session, [silence, mixture])
    return np.concatenate([stems.vocals for stems in pieces], axis=1)


def _halo_figures(
    separator: Separator, mixture: Waveform, vocals: Waveform
) -> Iterator[SeamFigure]:
    """What a longer halo would change; nothing where the halo is known to be exact."""
    plan, rate_hz = separator.plan, separator.sample_rate_hz
    # By a whole chunk core: the grid of chunks stays where it is, see ``separation.plan``.
    model = _with_halo(separator.model, plan.step_frames + plan.chunk_core_frames)
    longer = Separator(model, separator.options)
    if longer.plan.step_frames == plan.step_frames:
        return
    changed = longer.separate(mixture, rate_hz).vocals
    name = f"halo of {longer.plan.step_frames} frames instead of {plan.step_frames}"
    yield _change(name, changed, vocals)
    borders = {*plan.window_borders(vocals.shape[1]), *longer.plan.window_borders(vocals.shape[1])}
    near = _near(sorted(borders), round(NEAR_S * rate_hz), vocals.shape[1])
    name = f"the same within {NEAR_S:.0f} s of the borders of windows"
    yield _change(name, changed[:, near], vocals[:, near])


def _with_halo(model: Model, halo_frames: int) -> Model:
    """The same model, tensors shared, with another halo."""
    chunk = model.config.chunk.model_copy(update={"halo_frames": halo_frames})
    other = copy.copy(model)
    other.config = model.config.model_copy(update={"chunk": chunk})
    return other


def _near(borders: Sequence[int], reach_samples: int, samples: int) -> "np.ndarray":
    """Which samples lie near a border, as a mask ``[sample]``."""
    near = np.zeros(samples, dtype=bool)
    for border in borders:
        near[max(0, border - reach_samples) : border + reach_samples] = True
    return near


class _BorderFlux:
    """Spectral flux at the borders of windows, at those of chunks, and elsewhere."""

    def __init__(self, plan: WindowPlan) -> None:
        self._plan = plan
        self._windows: list[Flux] = []
        self._chunks: list[Flux] = []
        self._elsewhere: list[Flux] = []

    def add(self, vocals: Waveform) -> None:
        """Look at a stem that was separated by the plan."""
        samples = vocals.shape[1]
        windows, chunks = self._plan.window_borders(samples), self._plan.chunk_borders(samples)
        self._windows.append(spectral_flux(vocals, windows))
        self._chunks.append(spectral_flux(vocals, chunks))
        self._elsewhere.append(spectral_flux(vocals, places_between(windows + chunks, samples)))

    def figures(self) -> Iterator[SeamFigure]:
        """One for each kind of border that there is while the vocals sound."""
        elsewhere = np.concatenate(self._elsewhere)
        for kind, parts in (("windows", self._windows), ("chunks", self._chunks)):
            at_borders = np.concatenate(parts)
            if len(at_borders):
                name = f"spectral flux at {len(at_borders)} borders of {kind} over that elsewhere"
                yield SeamFigure(name, excess_percent(at_borders, elsewhere), "%")


def _change(name: str, changed: Waveform, vocals: Waveform) -> SeamFigure:
    change = float(np.sum(np.square(changed.astype(np.float64) - vocals)))
    energy = float(np.sum(np.square(vocals.astype(np.float64))))
    return SeamFigure(
        name, 10 * math.log10(change / energy) if change and energy else -math.inf, "dB"
    )
