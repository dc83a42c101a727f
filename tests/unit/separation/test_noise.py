import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentsep.separation.noise import BLOCK_FRAMES, TrackNoise

CHANNELS = 3


def _noise(seed=0, track_id="a", channels=CHANNELS):
    return TrackNoise(seed, track_id, channels)


@given(
    first=st.integers(-500, 10**9),
    frames=st.integers(1, 300),
    offset=st.integers(0, 299),
    length=st.integers(1, 300),
)
def test_a_frame_has_the_same_noise_whatever_range_is_asked_for(first, frames, offset, length):
    noise = _noise()
    whole = noise.frames(0, 0, first, 600)
    part = noise.frames(0, 0, first + offset, length)
    assert torch.equal(part, whole[:, offset : offset + length])
    assert torch.equal(noise.frames(0, 0, first, frames), whole[:, :frames])


@pytest.mark.parametrize(
    "other",
    [
        _noise(seed=1).frames(0, 0, 0, 64),
        _noise(track_id="b").frames(0, 0, 0, 64),
        _noise(track_id="").frames(0, 0, 0, 64),
        _noise().frames(1, 0, 0, 64),
        _noise().frames(0, 1, 0, 64),
        _noise().frames(1, 1, 0, 64),
        _noise().frames(0, 0, BLOCK_FRAMES, 64),
        _noise().frames(0, 0, -BLOCK_FRAMES, 64),
    ],
    ids=["seed", "track", "no track", "draw", "step", "both", "next block", "block before"],
)
def test_what_it_is_for_decides_it(other):
    correlation = torch.corrcoef(torch.stack([_noise().frames(0, 0, 0, 64), other]).flatten(1))
    assert abs(correlation[0, 1]) < 0.3


def test_the_same_question_has_the_same_answer():
    assert torch.equal(_noise().frames(2, 3, 100, 50), _noise().frames(2, 3, 100, 50))


def test_it_is_standard_normal_and_white():
    noise = _noise(channels=20).frames(0, 0, -5_000, 10_000)
    assert noise.shape == (20, 10_000)
    assert noise.dtype == torch.float32
    # 200 000 values: the deviations of mean, variance and correlations are below 0.004.
    assert noise.mean().item() == pytest.approx(0, abs=0.015)
    assert noise.var().item() == pytest.approx(1, abs=0.015)
    for lag in (1, BLOCK_FRAMES):
        assert (noise[:, lag:] * noise[:, :-lag]).mean().item() == pytest.approx(0, abs=0.015)
    assert (noise[1:] * noise[:-1]).mean().item() == pytest.approx(0, abs=0.015)


def test_global_generators_are_left_alone():
    before = torch.get_rng_state()
    _noise().frames(0, 0, 0, 100)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_name_of_any_characters_is_good_enough():
    names = ["", "é", "e\u0301", "\udcff", "a/b", "\0", "x" * 10_000]
    first = {_noise(track_id=name).frames(0, 0, 0, 1)[0, 0].item() for name in names}
    assert len(first) == len(names)
