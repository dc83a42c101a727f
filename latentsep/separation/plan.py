"""How a track is cut: windows of whole tracks, and chunks of fixed shape inside a window.

Everything counts codec frames from the start of the track, and every window and chunk starts on a
multiple of the network's stride: a strided network moves with its input only by whole strides.

::

    window   |<------------ halo ------------>|<---- core ---->|<- halo ->|
             | level | context | steps | rim  |
    tape             |context| chunk core |context|
                                  |context| chunk core |context|
    decoded                          | rim  |<---- core ---->| rim  |

The level needs neighbours of its own; the network discards a context around each chunk; with
several steps each further step spoils another receptive radius; codec and mask need a rim.

What a frame near a window's edge lacks in neighbours lies in the halo and is discarded, so a local
model gives the same stems wherever the windows start. A radius for each step is the exact bound,
and far more than what can be heard: ``chunk.halo_frames`` puts a measured length in its place
(``latentsep benchmark seams``).

A network that is not local sees its whole chunk, and no context makes two chunks agree. Their
clean estimates fade into each other over the overlap, at every step, and windows follow each other
by whole chunk cores, so that all windows cut one grid of chunks: neighbours look at the same chunks
where they meet. One step with a halo of one context thus leaves no seam at all between windows.
"""

import math
from dataclasses import dataclass

from latentsep.errors import ConfigError
from latentsep.models.config import RefinementConfig
from latentsep.models.model import Model
from latentsep.separation.options import SeparationOptions
from latentsep.separation.refinement import OVERLAP

MAX_WINDOW_S = 300.0
MIN_CORE_SHARE = 0.5
"""A window has as many chunks as it takes for half of it to survive the discarding."""


@dataclass(frozen=True)
class WindowPlan:
    """The geometry of windows and chunks, in frames; a hop is one frame's worth of samples."""

    hop_samples: int
    extra_frames: int
    stride_frames: int
    chunk_frames: int
    context_frames: int
    window_chunks: int
    level_frames: int
    rim_frames: int
    step_frames: int
    local: bool

    @property
    def fade_frames(self) -> int:
        """Frames over which neighbouring chunks fade into each other, around the cores' border."""
        return 0 if self.local else 2 * min(self.context_frames, self.chunk_core_frames // 2)

    @property
    def grid_frames(self) -> int:
        """Windows follow each other by multiples of this."""
        return self.stride_frames if self.local else self.chunk_core_frames

    @property
    def chunk_core_frames(self) -> int:
        """Frames of a chunk that survive."""
        return self.chunk_frames - 2 * self.context_frames

    @property
    def tape_frames(self) -> int:
        """Frames of a window's tape: the chunks' cores and the outermost chunks' contexts."""
        return self.window_chunks * self.chunk_core_frames + 2 * self.context_frames

    @property
    def encoded_frames(self) -> int:
        """Frames of a window that are encoded: the tape and what its level depends on."""
        return self.tape_frames + 2 * self.level_frames

    @property
    def halo_hops(self) -> int:
        """Hops before a window's core that are encoded with it and discarded."""
        return self.level_frames + self.context_frames + self.step_frames + self.rim_frames

    @property
    def window_hops(self) -> int:
        """Hops of a whole window, halo included."""
        return self.encoded_frames - self.extra_frames

    @property
    def core_hops(self) -> int:
        """Hops of a window that survive, a multiple of the grid."""
        free = self.window_hops - 2 * self.halo_hops
        return free - free % self.grid_frames

    @property
    def decoded_hops(self) -> int:
        """Hops that are decoded: the core and a rim on either side."""
        return self.core_hops + 2 * self.rim_frames

    @property
    def core_samples(self) -> int:
        """Samples by which windows follow each other, at the codec's rate."""
        return self.core_hops * self.hop_samples

    @property
    def halo_samples(self) -> int:
        """Samples of a window before its core, at the codec's rate."""
        return self.halo_hops * self.hop_samples

    @property
    def window_samples(self) -> int:
        """Samples of a whole window, at the codec's rate."""
        return self.window_hops * self.hop_samples

    def chunk_starts(self) -> list[int]:
        """Where chunks start on the tape, in frames."""
        return [chunk * self.chunk_core_frames for chunk in range(self.window_chunks)]

    def window_borders(self, track_samples: int) -> list[int]:
        """Where windows meet inside a track, in samples at the codec's rate."""
        return list(range(self.core_samples, track_samples, self.core_samples))

    def chunk_borders(self, track_samples: int) -> list[int]:
        """Where the cores of chunks meet inside the core of a window, in samples as above."""
        first = self.chunk_core_frames - self.step_frames - self.rim_frames
        meetings = range(first, self.core_hops, self.chunk_core_frames)
        return [
            window + frame * self.hop_samples
            for window in range(0, track_samples, self.core_samples)
            for frame in meetings
            if frame > 0 and window + frame * self.hop_samples < track_samples
        ]


def plan_windows(model: Model, options: SeparationOptions, steps: int) -> WindowPlan:
    """Fit windows and chunks to a model and the user's dials.

    Raises:
        ConfigError: the segment is too short for the model's context, the steps need windows that
            are too long, or the mask's hop does not divide the stride of windows.
    """
    codec, network = model.latent_space.codec, model.network
    stride = network.stride_frames
    chunk, context = _chunk_and_context(model, options)
    refined_hops = math.ceil(model.config.refinement.window_samples / codec.hop_samples)
    rim = _up(codec.reach_frames + refined_hops, stride)
    spoiled = _up(_spoiled_frames(model, context, steps), stride)
    core = chunk - 2 * context
    grid = stride if network.local else core
    plan = WindowPlan(
        hop_samples=codec.hop_samples,
        extra_frames=codec.extra_frames,
        stride_frames=stride,
        chunk_frames=chunk,
        context_frames=context,
        window_chunks=math.ceil((2 * (rim + spoiled) + grid) / (core * MIN_CORE_SHARE)),
        level_frames=_up(_level_frames(model), stride),
        rim_frames=rim,
        step_frames=spoiled,
        local=network.local,
    )
    _check_length(plan, steps, codec.sample_rate_hz)
    _check_mask_grid(plan, model.config.refinement)
    return plan


def _chunk_and_context(model: Model, options: SeparationOptions) -> tuple[int, int]:
    """Frames of a chunk and of its context, whole strides both."""
    codec, stride = model.latent_space.codec, model.network.stride_frames
    frame_s = codec.hop_samples / codec.sample_rate_hz
    chunk = model.config.chunk.frames
    if options.segment_s is not None:
        chunk = _up(round(options.segment_s / frame_s), stride)
    context = _up(model.config.chunk.context_frames, stride)
    if options.overlap is not None:
        context = max(context, _up(math.ceil(chunk * options.overlap / 2), stride))
    if chunk - 2 * context < stride:
        least_s = (2 * context + stride) * frame_s
        raise ConfigError(
            f"a segment of {chunk * frame_s:.2f} s with contexts of {context * frame_s:.2f} s on "
            f"either side leaves nothing to keep; this model needs at least {least_s:.2f} s"
        )
    return chunk, context


def _level_frames(model: Model) -> int:
    """Frames before the tape that its first level depends on.

    A local network discards what the codec spoils at a window's ends. Any other one sees it, unless
    it lies before the tape altogether.
    """
    space = model.latent_space
    return space.level_radius_frames + (0 if model.network.local else space.codec.reach_frames)


def _spoiled_frames(model: Model, context_frames: int, steps: int) -> int:
    """Frames at either end of the tape, beyond its context, that lack a neighbour's influence."""
    halo = model.config.chunk.halo_frames
    if not model.network.local:
        return context_frames if halo is None else halo
    exact: int = (steps - 1) * model.network.receptive_radius_frames
    return exact if halo is None else min(exact, halo)


def _check_length(plan: WindowPlan, steps: int, sample_rate_hz: int) -> None:
    window_s = plan.window_samples / sample_rate_hz
    if window_s > MAX_WINDOW_S:
        chunk_s = plan.chunk_frames * plan.hop_samples / sample_rate_hz
        raise ConfigError(
            f"{steps} steps with segments of {chunk_s:.0f} s need windows of {window_s:.0f} s, "
            f"{MAX_WINDOW_S:.0f} s are allowed; take fewer steps or a shorter segment, or give the "
            "model a measured chunk.halo_frames"
        )


def _check_mask_grid(plan: WindowPlan, refinement: RefinementConfig) -> None:
    stride_samples = plan.stride_frames * plan.hop_samples
    if stride_samples % (refinement.window_samples // OVERLAP):
        raise ConfigError(
            f"refinement.window_samples / {OVERLAP} must divide the stride of windows, "
            f"{stride_samples} samples, or the mask leaves seams; got {refinement.window_samples}"
        )


def _up(frames: int, stride: int) -> int:
    return math.ceil(frames / stride) * stride
