from dataclasses import replace

import pytest
import torch
from tiny_models import tiny_model

from latentsep.diffusion.schedule import Level
from latentsep.separation.options import SeparationOptions
from latentsep.separation.plan import WindowPlan, plan_windows
from latentsep.separation.tape import Tape, join_chunks

START = Level(0, 1)
PLAN = WindowPlan(
    hop_samples=4,
    extra_frames=1,
    stride_frames=2,
    chunk_frames=10,
    context_frames=2,
    window_chunks=3,
    level_frames=2,
    rim_frames=2,
    step_frames=0,
    local=True,
)


def _tapes(seed, windows, frames=PLAN.tape_frames, channels=5):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((2, windows, channels, frames), generator=generator).unbind(0)


def _as_is(mixture):
    return (mixture,)


def _state_back(state, condition, level):
    del condition, level
    return state


@pytest.mark.parametrize("batch_chunks", [1, 2, 3, 5, 50])
@pytest.mark.parametrize("windows", [1, 2, 4])
@pytest.mark.parametrize("local", [True, False])
def test_the_identity_gives_the_whole_tape_back(windows, batch_chunks, local):
    state, mixture = _tapes(0, windows)
    plan = replace(PLAN, local=local)
    clean = Tape(mixture, plan, batch_chunks, _as_is, _state_back).denoise(state, START)
    assert torch.equal(clean, state)


def test_state_and_mixture_of_a_chunk_lie_at_the_same_place():
    state, mixture = _tapes(1, 3)
    tape = Tape(mixture, PLAN, 2, _as_is, lambda s, c, level: s * c[0] * level.sigma)
    inside = slice(PLAN.context_frames, PLAN.tape_frames - PLAN.context_frames)
    clean = tape.denoise(state, Level(0.5, 0.5))[:, :, inside]
    assert torch.equal(clean, (state * mixture * 0.5)[:, :, inside])


def test_every_call_has_the_one_shape():
    shapes = []

    def recorded(state, condition, level):
        (mixture,) = condition
        shapes.append((tuple(state.shape), tuple(mixture.shape)))
        return state

    state, mixture = _tapes(2, 3)
    Tape(mixture, PLAN, 4, _as_is, recorded).denoise(state, START)
    # 3 windows of 3 chunks make 3 calls of 4, the last one padded with silence.
    assert shapes == [((4, 5, 10), (4, 5, 10))] * 3


def test_the_mixture_is_looked_at_once_however_many_steps_follow():
    seen = []

    def counted(mixture):
        seen.append(len(mixture))
        return (mixture,)

    state, mixture = _tapes(3, 3)
    tape = Tape(mixture, PLAN, 4, counted, _state_back)
    for _ in range(3):
        tape.denoise(state, START)
    assert seen == [4] * 3  # 9 chunks in batches of 4


def test_an_overlapping_context_of_a_local_network_is_thrown_away():
    """A chunk sees its context; what it says there counts only where nobody else says anything."""

    def wrong_in_the_context(state, condition, level):
        clean = _state_back(state, mixture, level).clone()
        clean[:, :, : PLAN.context_frames] = torch.nan
        clean[:, :, -PLAN.context_frames :] = torch.nan
        return clean

    state, mixture = _tapes(3, 2)
    clean = Tape(mixture, PLAN, 3, _as_is, wrong_in_the_context).denoise(state, START)
    inside = slice(PLAN.context_frames, PLAN.tape_frames - PLAN.context_frames)
    assert torch.isfinite(clean[:, :, inside]).all()
    assert torch.isnan(clean[:, :, : inside.start]).all()
    assert torch.isnan(clean[:, :, inside.stop :]).all()


def test_two_chunks_fade_into_each_other_worked_by_hand():
    plan = replace(PLAN, window_chunks=2, local=False)
    zeros_then_ones = torch.tensor([0.0, 1.0]).reshape(1, 2, 1, 1).expand(-1, -1, -1, 10)
    # Cores of 6 frames meet at frame 8 of a tape of 16; they overlap from 6 to 10.
    ramp = [1 / 8, 3 / 8, 5 / 8, 7 / 8]
    assert join_chunks(zeros_then_ones, plan).flatten().tolist() == [0] * 6 + ramp + [1] * 6
    hard = join_chunks(zeros_then_ones, replace(plan, local=True))
    assert hard.flatten().tolist() == [0] * 8 + [1] * 8


@pytest.mark.parametrize("batch_chunks", [1, 3])
def test_a_window_has_the_same_bits_in_any_company(batch_chunks):
    model = tiny_model()
    plan = plan_windows(model, SeparationOptions(), steps=2)
    state, mixture = _tapes(4, 3, plan.tape_frames, channels=48)

    def denoised(windows):
        tape = Tape(mixture[windows], plan, batch_chunks, model.condition, model.denoise)
        return tape.denoise(state[windows], Level(0.3, 0.7, 0.1))

    together = denoised([0, 1, 2])
    assert torch.equal(denoised([2, 0, 1])[[1, 2, 0]], together)
    for window in range(3):
        assert torch.equal(denoised([window])[0], together[window])


def test_chunks_join_to_what_the_whole_tape_gives_at_once():
    model = tiny_model()
    plan = plan_windows(model, SeparationOptions(), steps=2)
    state, mixture = _tapes(5, 1, plan.tape_frames, channels=48)
    level = Level(0.3, 0.7, 0.1)
    chunked = Tape(mixture, plan, 1, model.condition, model.denoise).denoise(state, level)
    whole = model.denoise(state, model.condition(mixture), level)
    torch.testing.assert_close(chunked, whole)
