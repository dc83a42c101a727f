from functools import cache
from types import SimpleNamespace

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError
from tiny_models import HOP_SAMPLES, RATE_HZ, tiny_config, tiny_model

from latentsep.errors import ConfigError
from latentsep.models.config import ChunkConfig, RefinementConfig
from latentsep.models.model import Model
from latentsep.separation.options import SeparationOptions
from latentsep.separation.plan import MAX_WINDOW_S, plan_windows
from latentsep.separation.tape import join_chunks

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


@st.composite
def geometries(draw):
    """What a plan asks of a model, for networks of any stride, radius and locality."""
    stride = draw(st.sampled_from([1, 2, 4, 8]))
    radius = draw(st.integers(0, 60))
    context = radius + draw(st.integers(0, 30))
    chunk = stride * draw(st.integers(1, 40)) + 2 * (context + stride)
    network = SimpleNamespace(
        stride_frames=stride, receptive_radius_frames=radius, local=draw(st.booleans())
    )
    codec = SimpleNamespace(
        hop_samples=HOP_SAMPLES,
        sample_rate_hz=RATE_HZ,
        reach_frames=draw(st.integers(0, 9)),
        extra_frames=draw(st.integers(0, 1)),
    )
    halo = draw(st.none() | st.integers(0, 300))
    config = SimpleNamespace(
        level_radius_frames=(level := draw(st.integers(0, 40))),
        chunk=ChunkConfig(
            frames=-(-chunk // stride) * stride, context_frames=context, halo_frames=halo
        ),
        refinement=RefinementConfig(window_samples=draw(st.sampled_from([64, 128, 256]))),
    )
    space = SimpleNamespace(codec=codec, level_radius_frames=level)
    return SimpleNamespace(network=network, latent_space=space, config=config)


STEPS = st.integers(1, 12)


def _plan(model, options, steps):
    try:
        return plan_windows(model, options, steps)
    except ConfigError:
        assume(False)


@given(model=MODELS | geometries(), options=OPTIONS, steps=STEPS)
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


@given(model=MODELS | geometries(), options=OPTIONS, steps=STEPS)
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


@given(model=geometries(), options=OPTIONS, steps=STEPS)
def test_chunks_give_every_frame_of_the_tape_once_and_at_its_place(model, options, steps):
    plan = _plan(model, options, steps)
    assume(plan.window_chunks * plan.tape_frames < 500_000)
    own = torch.eye(plan.window_chunks)[None, :, :, None].expand(-1, -1, -1, plan.chunk_frames)
    (weights,) = join_chunks(own, plan)
    assert weights.shape[1] == plan.tape_frames
    assert weights.min() >= 0
    torch.testing.assert_close(weights.sum(dim=0), torch.ones(plan.tape_frames))
    assert (weights > 0).sum(dim=0).max() <= (1 if model.network.local else 2)
    places = torch.tensor(plan.chunk_starts())[:, None] + torch.arange(plan.chunk_frames)
    joined = join_chunks(places[None, :, None].float(), plan)
    assert torch.equal(joined.flatten(), torch.arange(plan.tape_frames).float())


@given(model=geometries(), options=OPTIONS, steps=STEPS, tracks_samples=st.integers(1, 400_000))
def test_windows_keep_every_hop_of_a_track_once(model, options, steps, tracks_samples):
    plan = _plan(model, options, steps)
    starts = [0, *plan.window_borders(tracks_samples)]
    assert starts == list(range(0, tracks_samples, plan.core_samples))
    # What a window keeps lies on its tape where it lies in the window, rims included.
    first = plan.level_frames + plan.context_frames + plan.step_frames
    assert first + plan.rim_frames == plan.halo_hops
    assert first + plan.decoded_hops + plan.extra_frames <= plan.encoded_frames - plan.level_frames
    assert plan.halo_hops + plan.core_hops + plan.halo_hops <= plan.window_hops
    assert plan.window_hops * FRAME_S <= MAX_WINDOW_S


@given(model=geometries(), options=OPTIONS, steps=STEPS, tracks_samples=st.integers(1, 400_000))
def test_borders_are_where_windows_and_cores_of_chunks_meet(model, options, steps, tracks_samples):
    plan = _plan(model, options, steps)
    owners = [
        (hop // plan.core_hops, (hop % plan.core_hops + plan.step_frames + plan.rim_frames)
         // plan.chunk_core_frames)
        for hop in range(-(-tracks_samples // plan.hop_samples))
    ]  # fmt: skip
    windows, chunks = plan.window_borders(tracks_samples), plan.chunk_borders(tracks_samples)
    changes = {hop for hop in range(1, len(owners)) if owners[hop] != owners[hop - 1]}
    assert {border // plan.hop_samples for border in windows + chunks} == changes
    assert len(changes) == len(windows) + len(chunks)


@given(model=geometries(), options=OPTIONS, steps=STEPS)
def test_windows_of_a_network_that_is_not_local_cut_one_grid_of_chunks(model, options, steps):
    model.network.local = False
    plan = _plan(model, options, steps)
    assert plan.core_hops % plan.chunk_core_frames == 0
    # Of what the codec spoils at a window's ends they see nothing either.
    space = model.latent_space
    assert plan.level_frames >= space.level_radius_frames + space.codec.reach_frames
    assert plan.fade_frames <= min(2 * plan.context_frames, plan.chunk_core_frames)


@given(model=geometries(), options=OPTIONS)
def test_one_step_of_it_keeps_what_both_windows_see_alike(model, options):
    """What is kept begins after the first fade, which the window before has and this one lacks."""
    model.network.local = False
    model.config.chunk = model.config.chunk.model_copy(update={"halo_frames": None})
    plan = _plan(model, options, 1)
    first = plan.context_frames + plan.step_frames
    assert first >= plan.context_frames + plan.fade_frames // 2
    last = first + plan.decoded_hops + plan.extra_frames
    assert last <= plan.tape_frames - plan.context_frames - plan.fade_frames // 2


@given(model=geometries(), options=OPTIONS, steps=STEPS, halo_frames=st.integers(0, 300))
def test_a_measured_halo_is_taken_where_it_is_shorter_than_the_exact_one(
    model, options, steps, halo_frames
):
    model.network.local = True
    model.config.chunk = model.config.chunk.model_copy(update={"halo_frames": halo_frames})
    plan = _plan(model, options, steps)
    exact = (steps - 1) * model.network.receptive_radius_frames
    assert 0 <= plan.step_frames - min(exact, halo_frames) < plan.stride_frames


@given(model=MODELS, options=OPTIONS, steps=STEPS)
def test_what_is_decoded_lies_where_the_last_step_is_sound(model, options, steps):
    """Seen from the ends of the tape: a context, and a radius for each step but one."""
    plan = _plan(model, options, steps)
    spoiled = plan.context_frames + (steps - 1) * model.network.receptive_radius_frames
    first = plan.context_frames + plan.step_frames
    last = first + plan.decoded_hops + plan.extra_frames
    assert first >= spoiled
    assert last <= plan.tape_frames - spoiled


@given(model=MODELS, options=OPTIONS, steps=STEPS)
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


@given(model=MODELS, options=OPTIONS, steps=STEPS)
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


def test_fifty_steps_fit_with_a_measured_halo_and_not_without():
    with pytest.raises(ConfigError, match=r"chunk\.halo_frames"):
        plan_windows(tiny_model(), SeparationOptions(), steps=500)
    chunk = {"frames": 128, "context_frames": 40, "halo_frames": 80}
    plan = plan_windows(tiny_model(chunk=chunk), SeparationOptions(), steps=500)
    # The same as three steps, worked by hand above.
    assert (plan.step_frames, plan.window_chunks, plan.core_hops) == (80, 8, 204)


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
