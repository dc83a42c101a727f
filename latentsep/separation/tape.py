"""The tape: latents of several windows, denoised in chunks of one fixed shape."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from latentsep.denoisers import Condition
from latentsep.diffusion.schedule import Level
from latentsep.separation.plan import WindowPlan

ChunkCondition = Callable[[Tensor], Condition]
"""``mixture -> condition`` of chunks ``[chunk, latent_channel, frame]``."""
ChunkDenoise = Callable[[Tensor, Condition, Level], Tensor]
"""``(state, condition, level) -> clean`` of chunks ``[chunk, latent_channel, frame]``."""
ChunkWork = Callable[[Tensor, Condition], Tensor]
"""``(state, condition) -> clean`` of chunks, the same."""


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

        In the outermost contexts, which no neighbour covers, stands what the network itself says
        there: the best guess for the next step. The window's halo covers them.
        """
        return self.through(state, lambda batch, condition: self._denoise(batch, condition, level))

    def through(self, state: Tensor, work: ChunkWork) -> Tensor:
        """What a piece of work makes of the chunks of a state, joined as ``denoise`` says."""
        pieces = [
            work(batch, condition)
            for batch, condition in zip(self._batches(state), self._conditions, strict=True)
        ]
        chunks = torch.cat(pieces)[: len(state) * self.plan.window_chunks]
        return join_chunks(chunks.reshape(len(state), -1, *chunks.shape[1:]), self.plan)

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


def join_chunks(chunks: Tensor, plan: WindowPlan) -> Tensor:
    """``[window, chunk, latent_channel, frame]`` -> tapes ``[window, latent_channel, frame]``.

    Around each border of two cores the one chunk fades linearly into the other over
    ``plan.fade_frames``; without a fade the cores stand side by side. What two chunks agree on
    stays as it is, to the bit.
    """
    fade = plan.fade_frames
    ramp = (torch.arange(fade, device=chunks.device, dtype=chunks.dtype) + 0.5) / max(fade, 1)
    rise = plan.context_frames - fade // 2  # where a chunk fades in, and where it fades out
    fall = plan.chunk_frames - plan.context_frames - fade // 2
    in_order = chunks.unbind(1)
    pieces = [in_order[0][:, :, : rise + fade]]
    for before, after in pairwise(in_order):
        faded = torch.lerp(before[:, :, fall : fall + fade], after[:, :, rise : rise + fade], ramp)
        pieces += [before[:, :, rise + fade : fall], faded]
    return torch.cat([*pieces, in_order[-1][:, :, rise + fade :]], dim=2)
