import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from latentsep.audio.quantise import quantise
from latentsep.errors import NonFiniteAudioError


@given(
    bits=st.sampled_from([16, 24]),
    block=hnp.arrays(np.float32, (2, 9), elements=st.floats(-2, 2, width=32)),
)
def test_the_nearest_step_is_at_most_half_a_step_away(bits, block):
    integers, clipped = quantise(block, bits)
    full = 2 ** (bits - 1)
    exact = block.astype(np.float64) * full
    inside = (exact >= -full - 0.5) & (exact < full - 0.5)
    assert np.abs(integers - exact)[inside].max(initial=0) <= 0.5
    assert integers.min() >= -full
    assert integers.max() <= full - 1
    assert clipped <= np.count_nonzero(~inside)


@given(bits=st.sampled_from([16, 24]), seed=st.integers(0, 2**32 - 1))
def test_integers_survive_the_way_through_float(bits, seed):
    full = 2 ** (bits - 1)
    integers = np.random.default_rng(seed).integers(-full, full, (2, 50)).astype(np.int32)
    again, clipped = quantise(integers.astype(np.float32) / np.float32(full), bits)
    np.testing.assert_array_equal(again, integers)
    assert clipped == 0


def test_halves_go_to_the_even_step_and_clipping_is_counted():
    block = np.array([[0.5, 1.5, 2.5, -0.5, -1.5, 32767.5, 32768, -32768, -40000]]) / 32768
    integers, clipped = quantise(block.astype(np.float32), 16)
    assert integers.tolist() == [[0, 2, 2, 0, -2, 32767, 32767, -32768, -32768]]
    assert clipped == 3


def test_nan_never_becomes_silence():
    block = np.zeros((2, 5), np.float32)
    block[1, 3] = np.nan
    with pytest.raises(NonFiniteAudioError, match="frame 3"):
        quantise(block, 16)
