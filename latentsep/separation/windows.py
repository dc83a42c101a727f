"""Encode, denoise and decode a batch of windows: the only work of the accelerator."""

from dataclasses import dataclass

import torch
from torch import Tensor

from latentsep.diffusion.samplers import SAMPLERS
from latentsep.diffusion.schedule import Level
from latentsep.models.config import RefinementConfig
from latentsep.models.model import Model
from latentsep.separation.downmix import downmix
from latentsep.separation.noise import TrackNoise
from latentsep.separation.plan import WindowPlan
from latentsep.separation.refinement import mask_mixture
from latentsep.separation.tape import Tape


@dataclass(frozen=True)
class Window:
    """One window of one track, ready to be separated.

    ``mixture`` is ``[channel, plan.window_samples]`` at the codec's rate and starts
    ``plan.halo_samples`` before ``first_frame * hop_samples``.
    """

    mixture: Tensor
    first_frame: int
    noise: TrackNoise


class WindowSeparator:
    """Vocals of windows; a pure function of each window, whatever its companions."""

    def __init__(  # noqa: PLR0913 - one value for each dial of the run
        self,
        model: Model,
        plan: WindowPlan,
        *,
        steps: int,
        draws: int,
        batch_chunks: int,
        refinement: RefinementConfig,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.model = model
        self.plan = plan
        self.draws = draws
        self.batch_chunks = batch_chunks
        self.refinement = refinement
        self.device = device
        self.dtype = dtype
        self.schedule = model.objective.schedule(steps)
        self.sampler = SAMPLERS[model.config.sampling.sampler]

    @torch.inference_mode()
    def separate(self, windows: list[Window]) -> list[Tensor]:
        """Vocals ``[channel, plan.core_samples]`` on the CPU, in the order of the windows."""
        mixtures = [window.mixture.to(self.device) for window in windows]
        guides = self._guides([downmix(mixture) for mixture in mixtures], windows)
        return [
            self._finish(guide, mixture) for guide, mixture in zip(guides, mixtures, strict=True)
        ]

    def _guides(self, stereo: list[Tensor], windows: list[Window]) -> Tensor:
        """Decoded vocals ``[window, 2, sample]`` of cores and rims, the mean over the draws."""
        space = self.model.latent_space
        latents = torch.cat([space.encode(mixture[None]) for mixture in stereo])
        level = space.level(latents)
        edge = self.plan.level_frames
        cut = slice(edge, latents.shape[2] - edge)
        level = level[:, :, cut]
        mixture = latents[:, :, cut] / level
        tape = Tape(mixture, self.plan, self.batch_chunks, self._denoise)
        clean = sum(
            (self._draw(tape, windows, draw) for draw in range(self.draws)),
            torch.zeros_like(mixture),
        )
        first = self.plan.context_frames + self.plan.step_frames
        kept = slice(first, first + self.plan.decoded_hops + self.plan.extra_frames)
        clean = (clean / self.draws * level)[:, :, kept]
        return torch.cat([space.decode(item[None]) for item in clean])

    def _draw(self, tape: Tape, windows: list[Window], draw: int) -> Tensor:
        first = self.plan.level_frames - self.plan.halo_hops
        frames = self.plan.tape_frames

        def noise(step: int) -> Tensor:
            pieces = [w.noise.frames(draw, step, w.first_frame + first, frames) for w in windows]
            return torch.stack(pieces).to(self.device)

        start = self.model.objective.start(tape.mixture, lambda: noise(len(self.schedule)))
        return self.sampler(tape.denoise, start, self.schedule, noise)

    def _denoise(self, state: Tensor, mixture: Tensor, level: Level) -> Tensor:
        enabled = self.dtype != torch.float32
        with torch.autocast(self.device.type, self.dtype, enabled=enabled):
            return self.model.denoise(state, mixture, level)

    def _finish(self, guide: Tensor, mixture: Tensor) -> Tensor:
        rim = self.plan.rim_frames * self.plan.hop_samples
        begin = self.plan.halo_samples - rim
        mixture = mixture[:, begin : begin + guide.shape[1]]
        if self.refinement.mode == "off" and len(mixture) <= 2:
            vocals = guide.mean(dim=0, keepdim=True) if len(mixture) == 1 else guide
        else:
            codec = self.model.latent_space.codec
            share = codec.bandwidth_hz / (codec.sample_rate_hz / 2)
            vocals = mask_mixture(guide, mixture, self.refinement, share)
        return vocals[:, rim : rim + self.plan.core_samples].cpu()
