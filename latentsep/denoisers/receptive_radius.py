"""How far the convolutions of the conditioned U-Net look.

A span is the first and the last frame that are needed, at some level's rate. Each function goes one
way through the network, against its computation, and says what a span of results needs.
"""

from latentsep.denoisers.conditioner import ConditionerBlock
from latentsep.denoisers.sizes import Sizes

Span = tuple[int, int]

CONV_RADIUS_FRAMES = 1
RESIDUAL_RADIUS_FRAMES = 2
"""Of a residual block: two convolutions."""


def receptive_radius_frames(sizes: Sizes) -> int:
    """Most frames between an estimate and what it depends on, attention and statistics apart."""
    radius = 0
    for frame in range(sizes.stride_frames):
        estimate = _widened((frame, frame), CONV_RADIUS_FRAMES)
        state = _through_generator(estimate, sizes, 0)
        # The longest way from the mixture enters on the way down, where that is told first.
        told = _through_generator(estimate, sizes, sizes.first_injected)
        mixture = _through_conditioner(told, sizes, sizes.first_injected)
        for span in (state, mixture):
            first, last = _widened(span, CONV_RADIUS_FRAMES)
            radius = max(radius, frame - first, last - frame)
    return radius


def _through_generator(span: Span, sizes: Sizes, depth: int) -> Span:
    """From the estimate to what a level of the way down is given."""
    radii = [RESIDUAL_RADIUS_FRAMES * blocks for blocks in sizes.blocks]
    span = _down_to_bottom(span, sizes, radii, 0)
    return _up_from_bottom(_widened(span, radii[-1]), sizes, radii, depth)


def _through_conditioner(span: Span, sizes: Sizes, depth: int) -> Span:
    """From the decoder's features of a level to the mixture."""
    radii = [ConditionerBlock.radius_frames] * sizes.bottom
    return _up_from_bottom(_down_to_bottom(span, sizes, radii, depth), sizes, radii, 0)


def _down_to_bottom(span: Span, sizes: Sizes, radii: list[int], depth: int) -> Span:
    for level in range(depth, sizes.bottom):
        first, last = _widened(span, radii[level])
        span = first // sizes.factors[level], last // sizes.factors[level]
    return span


def _up_from_bottom(span: Span, sizes: Sizes, radii: list[int], depth: int) -> Span:
    for level in reversed(range(depth, sizes.bottom)):
        factor = sizes.factors[level]
        span = _widened((span[0] * factor, span[1] * factor + factor - 1), radii[level])
    return span


def _widened(span: Span, radius: int) -> Span:
    return span[0] - radius, span[1] + radius
