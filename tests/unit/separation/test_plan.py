from functools import cache

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError
from tiny_models import HOP_SAMPLES, RATE_HZ, tiny_config, tiny_model

from latentsep.errors import ConfigError
from latentsep.models.model import Model
from latentsep.separation.options import SeparationOptions
from latentsep.separation.plan import MAX_WINDOW_S, plan_windows

FRAME_S = HOP_SAMPLES / RATE_HZ


@cache
def _model(levels, level_radius, window_samples, codec_name):
    codec = {
        "name": codec_name,
        "options": {"sample_rate_hz": RATE_HZ, "hop_samples": HOP_SAMPLES}
        | ({"mid_bins": 4, "side_bins": 2} if codec_name == "mdct" else {}),
    }
    network = {
        "name": "unet1d",
        "options": {"widths": [2] * levels, "blocks": 1, "bottom_dilations": [1]},
    }
    return Model(
        tiny_config(
            codec=codec,
            network=network,
            level_radius_frames=level_radius,
            chunk={"frames": 256, "context_frames": 64},
            refinement={"window_samples": window_samples},
        )
    )


MODELS = st.builds(
    _model,
    st.integers(1, 4),
    st.sampled_from([0, 1, 8, 31]),
    st.sampled_from([64, 128, 256]),
    st.sampled_from(["identity", "mdct"]),
)
OPTIONS = st.builds(
    SeparationOptions,
    segment_s=st.none() | st.floats(0.01, 10),
    overlap=st.none() | st.floats(0, 0.89),
)


def _plan(model, options, steps):
    try:
        return plan_windows(model, options, steps)
    except ConfigError:
        assume(False)


@given(model=MODELS, options=OPTIONS, steps=st.integers(1, 12))
def test_everything_starts_on_a_multiple_of_the_stride(model, options, steps):
    plan = _plan(model, options, steps)
    stride = model.network.stride_frames
    for frames in (
        plan.chunk_frames,
        plan.context_frames,
        plan.level_frames,
        plan.rim_frames,
        plan.step_frames,
        plan.halo_hops,
        plan.core_hops,
        *plan.chunk_starts(),
    ):
        assert frames % stride == 0
    assert plan.core_hops >= stride


@given(model=MODELS, options=OPTIONS, steps=st.integers(1, 12))
def test_the_cores_of_chunks_tile_the_tape_between_its_contexts(model, options, steps):
    plan = _plan(model, options, steps)
    kept = [
        frame
        for start in plan.chunk_starts()
        for frame in range(
            start + plan.context_frames, start + plan.chunk_frames - plan.context_frames
        )
    ]
    assert kept == list(range(plan.context_frames, plan.tape_frames - plan.context_frames))
    assert plan.chunk_starts()[-1] + plan.chunk_frames == plan.tape_frames


@given(model=MODELS, options=OPTIONS, steps=st.integers(1, 12))
def test_what_is_decoded_lies_where_the_last_step_is_sound(model, options, steps):
    """From the tape's ends inwards, the context is empty, and each step but one spoils a radius."""
    plan = _plan(model, options, steps)
    spoiled = plan.context_frames + (steps - 1) * model.network.receptive_radius_frames
    first = plan.context_frames + plan.step_frames
    last = first + plan.decoded_hops + plan.extra_frames
    assert first >= spoiled
    assert last <= plan.tape_frames - spoiled


@given(model=MODELS, options=OPTIONS, steps=st.integers(1, 12))
def test_every_neighbour_that_counts_lies_in_the_window(model, options, steps):
    plan = _plan(model, options, steps)
    codec = model.latent_space.codec
    assert plan.context_frames >= model.network.receptive_radius_frames
    assert plan.level_frames >= model.config.level_radius_frames
    rim_samples = plan.rim_frames * plan.hop_samples
    refined_samples = model.config.refinement.window_samples
    assert rim_samples >= codec.reach_frames * plan.hop_samples + refined_samples
    assert plan.window_hops + codec.extra_frames == plan.encoded_frames
    assert plan.window_samples >= plan.core_samples + 2 * plan.halo_samples


@given(model=MODELS, options=OPTIONS, steps=st.integers(1, 12))
def test_windows_are_no_longer_than_allowed_and_not_mostly_halo(model, options, steps):
    plan = _plan(model, options, steps)
    assert plan.window_hops * FRAME_S <= MAX_WINDOW_S
    # Half of the chunks' cores survive, but for rounding to the stride.
    chunk_cores = plan.window_chunks * plan.chunk_core_frames
    assert plan.core_hops + plan.stride_frames + plan.extra_frames > chunk_cores / 2


@given(model=MODELS, overlap=st.floats(0, 0.89), segment_s=st.floats(2, 10))
def test_neighbours_see_at_least_the_wanted_share_of_a_chunk(model, overlap, segment_s):
    plan = _plan(model, SeparationOptions(overlap=overlap, segment_s=segment_s), 1)
    assert 2 * plan.context_frames >= overlap * plan.chunk_frames


def test_the_tiny_plan_worked_by_hand():
    plan = plan_windows(tiny_model(), SeparationOptions(), steps=3)
    # Mask window 256 = 4 hops, and 1 of the codec: 5, up to 8. Two more steps of radius 40: 80.
    assert (plan.rim_frames, plan.step_frames, plan.level_frames) == (8, 80, 8)
    # Chunks keep 128 - 80 = 48; half of that must hold 2 * (8 + 80) + 4 = 180: 8 chunks.
    assert plan.window_chunks == 8
    assert plan.chunk_starts() == [0, 48, 96, 144, 192, 240, 288, 336]
    assert plan.tape_frames == 8 * 48 + 80
    # A frame less in hops, for the codec's extra one; 463 + 16 - 2 * 136 = 207, down to 204.
    assert plan.halo_hops == 8 + 40 + 80 + 8
    assert plan.window_hops == 464 + 16 - 1
    assert plan.core_hops == 204


def test_the_segment_is_the_length_of_a_chunk():
    plan = plan_windows(tiny_model(), SeparationOptions(segment_s=200 * FRAME_S), steps=1)
    assert plan.chunk_frames == 200
    plan = plan_windows(tiny_model(), SeparationOptions(segment_s=197 * FRAME_S), steps=1)
    assert plan.chunk_frames == 200


def test_a_segment_without_a_core_is_refused_with_the_least_that_works():
    # Two contexts of 40 frames and one stride of 4, of 8 ms each: 0.672 s, printed as 0.68.
    with pytest.raises(ConfigError, match=r"needs at least 0\.6[78] s"):
        plan_windows(tiny_model(), SeparationOptions(segment_s=0.6), steps=1)
    assert plan_windows(tiny_model(), SeparationOptions(segment_s=0.68), steps=1).core_hops >= 4


def test_the_least_segment_named_in_the_refusal_is_enough():
    for frames in range(4, 84, 4):
        with pytest.raises(ConfigError) as caught:
            plan_windows(tiny_model(), SeparationOptions(segment_s=frames * FRAME_S), steps=1)
        least_s = float(str(caught.value).split("at least ")[1].split(" s")[0])
        assert plan_windows(tiny_model(), SeparationOptions(segment_s=least_s), steps=1)


def test_windows_too_long_for_the_memory_are_refused_with_what_to_change():
    with pytest.raises(ConfigError, match="steps"):
        plan_windows(tiny_model(), SeparationOptions(), steps=400)
    with pytest.raises(ConfigError, match="shorter segment"):
        plan_windows(tiny_model(), SeparationOptions(segment_s=400), steps=1)


@pytest.mark.parametrize(
    "options",
    [
        {"segment_s": 0},
        {"segment_s": float("inf")},
        {"segment_s": float("nan")},
        {"overlap": 0.9},
        {"overlap": -0.1},
        {"steps": 0},
        {"draws": 0},
        {"batch_chunks": 0},
        {"seed": -1},
        {"seed": 2**64},
        {"precision": "float16"},
        {"refinement": "magic"},
        {"colour": "red"},
    ],
)
def test_impossible_options_are_refused_by_name(options):
    with pytest.raises(ValidationError, match=next(iter(options))):
        SeparationOptions.model_validate(options)
