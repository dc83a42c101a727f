"""The tape: latents of several windows, denoised in chunks of one fixed shape."""

from collections.abc import Callable

import torch
from torch import Tensor

from latentsep.diffusion.schedule import Level
from latentsep.separation.plan import WindowPlan

ChunkDenoise = Callable[[Tensor, Tensor, Level], Tensor]
"""``(state, mixture, level) -> clean``, all ``[chunk, latent_channel, frame]``."""


class Tape:
    """Mixture latents ``[window, latent_channel, frame]`` and how they are denoised.

    Chunks of all windows go through the network together, ``batch_chunks`` at a time, short
    batches padded with silence: one shape means one kernel, and so the same bits whoever the
    companions are.
    """

    def __init__(
        self, mixture: Tensor, plan: WindowPlan, batch_chunks: int, denoise: ChunkDenoise
    ) -> None:
        self.mixture = mixture
        self.plan = plan
        self.batch_chunks = batch_chunks
        self._denoise = denoise
        self._mixture_chunks = self._cut(mixture)

    def denoise(self, state: Tensor, level: Level) -> Tensor:
        """Clean estimate of a whole tape ``[window, latent_channel, frame]``.

        The outermost contexts have no core of their own and come back as zeros; the window's halo
        covers them.
        """
        chunks = self._cut(state)
        pieces = [
            self._batch(chunks[first : first + self.batch_chunks], first, level)
            for first in range(0, len(chunks), self.batch_chunks)
        ]
        return self._join(torch.cat(pieces))

    def _batch(self, state: Tensor, first: int, level: Level) -> Tensor:
        items = len(state)
        mixture = self._mixture_chunks[first : first + items]
        missing = self.batch_chunks - items
        if missing:
            state, mixture = _pad_items(state, missing), _pad_items(mixture, missing)
        clean = self._denoise(state, mixture, level)[:items]
        context = self.plan.context_frames
        return clean[:, :, context : self.plan.chunk_frames - context]

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


def _pad_items(chunks: Tensor, missing: int) -> Tensor:
    return torch.cat([chunks, chunks.new_zeros(missing, *chunks.shape[1:])])
