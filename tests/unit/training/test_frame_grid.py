import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentsep.errors import ConfigError
from latentsep.training.frame_grid import FrameGrid


def test_frames_beyond_the_hops_make_no_samples():
    assert FrameGrid(8_000, 64, stride_frames=4, extra_frames=1).crop_samples(32) == 31 * 64


@pytest.mark.parametrize("frames", [0, 1, 30])
def test_frames_that_a_network_cannot_take_are_refused(frames):
    with pytest.raises(ConfigError, match=f"multiple of 4.* above 1, got {frames}"):
        FrameGrid(8_000, 64, stride_frames=4, extra_frames=1).crop_samples(frames)


@given(
    length_s=st.floats(0.01, 20),
    hop=st.integers(1, 2_048),
    stride=st.integers(1, 64),
    extra=st.integers(0, 3),
)
def test_an_example_of_a_length_is_the_shortest_that_is_not_shorter(length_s, hop, stride, extra):
    samples = FrameGrid(44_100, hop, stride, extra).samples_of(length_s)
    assert samples >= length_s * 44_100
    assert (samples // hop + extra) % stride == 0
    assert samples - stride * hop < length_s * 44_100
