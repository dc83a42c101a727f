"""The tape: latents of several windows, denoised in chunks of one fixed shape."""

from collections.abc import Callable

import torch
from torch import Tensor

from latentsep.denoisers import Condition
from latentsep.diffusion.schedule import Level
from latentsep.separation.plan import WindowPlan

ChunkCondition = Callable[[Tensor], Condition]
"""``mixture -> condition`` of chunks ``[chunk, latent_channel, frame]``."""
ChunkDenoise = Callable[[Tensor, Condition, Level], Tensor]
"""``(state, condition, level) -> clean`` of chunks ``[chunk, latent_channel, frame]``."""


class Tape:
    """Mixture latents ``[window, latent_channel, frame]`` and how they are denoised.

    Chunks of all windows go through the network together, ``batch_chunks`` at a time, short
    batches padded with silence: one shape means one kernel, and so the same bits whoever the
    companions are.
    """

    def __init__(
        self,
        mixture: Tensor,
        plan: WindowPlan,
        batch_chunks: int,
        condition: ChunkCondition,
        denoise: ChunkDenoise,
    ) -> None:
        self.mixture = mixture
        self.plan = plan
        self.batch_chunks = batch_chunks
        self._denoise = denoise
        # Once for all steps and draws.
        self._conditions = [condition(batch) for batch in self._batches(mixture)]

    def denoise(self, state: Tensor, level: Level) -> Tensor:
        """Clean estimate of a whole tape ``[window, latent_channel, frame]``.

        The outermost contexts have no core of their own and come back as zeros; the window's halo
        covers them.
        """
        pieces = [
            self._denoise(batch, condition, level)
            for batch, condition in zip(self._batches(state), self._conditions, strict=True)
        ]
        chunks = torch.cat(pieces)[: len(state) * self.plan.window_chunks]
        context = self.plan.context_frames
        return self._join(chunks[:, :, context : self.plan.chunk_frames - context])

    def _batches(self, tape: Tensor) -> list[Tensor]:
        """Chunks of a tape in batches of one shape, the last one padded with silence."""
        batches = list(torch.split(self._cut(tape), self.batch_chunks))
        missing = self.batch_chunks - len(batches[-1])
        if missing:
            padding = batches[-1].new_zeros(missing, *batches[-1].shape[1:])
            batches[-1] = torch.cat([batches[-1], padding])
        return batches

    def _cut(self, tape: Tensor) -> Tensor:
        chunks = [
            tape[:, :, start : start + self.plan.chunk_frames] for start in self.plan.chunk_starts()
        ]
        return torch.stack(chunks, dim=1).flatten(0, 1)

    def _join(self, cores: Tensor) -> Tensor:
        grouped = cores.reshape(-1, self.plan.window_chunks, *cores.shape[1:])
        joined = grouped.transpose(1, 2).flatten(2)
        context = self.plan.context_frames
        return torch.nn.functional.pad(joined, (context, context))
