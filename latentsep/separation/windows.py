"""Encode, denoise and decode a batch of windows: the only work of the accelerator."""

from dataclasses import dataclass

import torch
from torch import Tensor

from latentsep.denoisers import Condition
from latentsep.diffusion.samplers import START_STEP
from latentsep.diffusion.schedule import Level
from latentsep.models.config import RefinementConfig
from latentsep.models.model import Model
from latentsep.separation.downmix import downmix
from latentsep.separation.draws import mean_and_variance
from latentsep.separation.noise import TrackNoise
from latentsep.separation.plan import WindowPlan
from latentsep.separation.refinement import refine
from latentsep.separation.sampling import RunSampling
from latentsep.separation.tape import Tape

ENERGY_FLOOR = 1e-12
"""A guide without energy has no error by its energy."""


@dataclass(frozen=True)
class Window:
    """One window of one track, ready to be separated.

    ``mixture`` is ``[channel, plan.window_samples]`` at the codec's rate and starts
    ``plan.halo_samples`` before ``first_frame * hop_samples``.
    """

    mixture: Tensor
    first_frame: int
    noise: TrackNoise


@dataclass(frozen=True)
class WindowVocals:
    """What came of one window.

    Attributes:
        vocals: ``[channel, plan.core_samples]`` on the CPU.
        energies: ``[2, plan.core_hops]`` float64 on the CPU: of the draws' latents around their
            mean, as wide as temperature 1 would have them, and of that mean, frame by frame; None
            for a single draw.
    """

    vocals: Tensor
    energies: Tensor | None = None


class WindowSeparator:
    """Vocals of windows; a pure function of each window, whatever its companions."""

    def __init__(  # noqa: PLR0913 - one value for each dial of the run
        self,
        model: Model,
        plan: WindowPlan,
        *,
        sampling: RunSampling,
        batch_chunks: int,
        refinement: RefinementConfig,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.model = model
        self.plan = plan
        self.draws = sampling.draws
        self.batch_chunks = batch_chunks
        self.refinement = refinement
        self.device = device
        self.dtype = dtype
        self.warm_start = sampling.warm_start
        self.schedule = sampling.schedule
        self.sampler = model.build_sampler(sampling.config)

    @torch.inference_mode()
    def separate(self, windows: list[Window]) -> list[WindowVocals]:
        """Vocals and what the draws tell of them, in the order of the windows."""
        mixtures = [window.mixture.to(self.device) for window in windows]
        latents, variance = self._latents([downmix(mixture) for mixture in mixtures], windows)
        return [self._result(*parts) for parts in zip(mixtures, latents, variance, strict=True)]

    def _latents(self, stereo: list[Tensor], windows: list[Window]) -> tuple[Tensor, Tensor]:
        """Vocals' latents of cores and rims, mean and variance over the draws.

        Both are ``[window, latent_channel, frame]``.
        """
        space = self.model.latent_space
        latents = torch.cat([space.encode(mixture[None]) for mixture in stereo])
        level = space.level(latents)
        edge = self.plan.level_frames
        cut = slice(edge, latents.shape[2] - edge)
        level = level[:, :, cut]
        mixture = latents[:, :, cut] / level
        tape = Tape(mixture, self.plan, self.batch_chunks, self._condition, self._denoise)
        first = self.plan.context_frames + self.plan.step_frames
        kept = slice(first, first + self.plan.decoded_hops + self.plan.extra_frames)
        scale = level[:, :, kept]
        draws = (self._draw(tape, windows, draw)[:, :, kept] for draw in range(self.draws))
        mean, variance = mean_and_variance(draws)
        return mean * scale, variance * scale.square()

    def _result(self, mixture: Tensor, latents: Tensor, variance: Tensor) -> WindowVocals:
        space = self.model.latent_space
        guide = space.decode(latents[None])[0]
        if self.draws == 1:
            return WindowVocals(self._finish(guide, mixture, error=None))
        power = space.scale.square()
        drawn, energy = ((parts / power).sum(dim=0) for parts in (variance, latents.square()))
        # Colder draws than the truth lie closer together than it lies to their mean.
        spread = drawn / self.model.objective.temperature**2
        error = (spread + drawn / self.draws) / energy.clamp(min=ENERGY_FLOOR)
        # The rim is a neighbour's core, which counts it.
        core = slice(self.plan.rim_frames, self.plan.rim_frames + self.plan.core_hops)
        energies = torch.stack([spread, energy])[:, core].cpu().double()
        return WindowVocals(self._finish(guide, mixture, error), energies)

    def _draw(self, tape: Tape, windows: list[Window], draw: int) -> Tensor:
        first = self.plan.level_frames - self.plan.halo_hops
        frames = self.plan.tape_frames

        def noise(step: int) -> Tensor:
            pieces = [w.noise.frames(draw, step, w.first_frame + first, frames) for w in windows]
            return self.model.objective.temperature * torch.stack(pieces).to(self.device)

        start = self.model.objective.start(tape.mixture, lambda: noise(START_STEP))
        if self.warm_start is not None:
            level = self.schedule[0]
            start = level.alpha * tape.through(start, self._draft) + level.sigma * start
        return self.sampler(tape.denoise, start, self.schedule, noise)

    def _condition(self, mixture: Tensor) -> Condition:
        with self._autocast():
            return self.model.condition(mixture)

    def _denoise(self, state: Tensor, condition: Condition, level: Level) -> Tensor:
        with self._autocast():
            return self.model.denoise(state, condition, level)

    def _draft(self, start: Tensor, condition: Condition) -> Tensor:
        with self._autocast():
            return self.model.draft(start, condition)

    def _autocast(self) -> torch.autocast:
        enabled = self.dtype != torch.float32
        return torch.autocast(self.device.type, self.dtype, enabled=enabled)

    def _finish(self, guide: Tensor, mixture: Tensor, error: Tensor | None) -> Tensor:
        """Vocals ``[channel, plan.core_samples]``; the guide's error is relative, ``[frame]``."""
        codec, hop = self.model.latent_space.codec, self.plan.hop_samples
        rim = self.plan.rim_frames * hop
        begin = self.plan.halo_samples - rim
        mixture = mixture[:, begin : begin + guide.shape[1]]
        share = codec.bandwidth_hz / (codec.sample_rate_hz / 2)
        by_sample = None if error is None else error.repeat_interleave(hop)
        vocals = refine(guide, mixture, self.refinement, share, by_sample)
        return vocals[:, rim : rim + self.plan.core_samples].cpu()
