import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from latentsep.separation.stems import Stems, split_integers

BIT_DEPTHS = st.sampled_from([8, 16, 24])
FLOATS = hnp.arrays(np.float32, (2, 7), elements=st.floats(-1.5, 1.5, width=32))


def _on_grid(integers, bit_depth):
    return (np.asarray(integers, np.float64) / 2 ** (bit_depth - 1)).astype(np.float32)


def _in_range(integers, bit_depth):
    full = 2 ** (bit_depth - 1)
    return integers.dtype == np.int32 and integers.min() >= -full and integers.max() < full


@given(bit_depth=BIT_DEPTHS, seed=st.integers(0, 2**32 - 1), vocals=FLOATS)
def test_integer_stems_add_up_to_the_source(bit_depth, seed, vocals):
    full = 2 ** (bit_depth - 1)
    source = np.random.default_rng(seed).integers(-full, full, vocals.shape)
    stems = split_integers(_on_grid(source, bit_depth), vocals, bit_depth)
    np.testing.assert_array_equal(stems.vocals.astype(np.int64) + stems.accompaniment, source)
    assert _in_range(stems.vocals, bit_depth)
    assert _in_range(stems.accompaniment, bit_depth)
    assert stems.mixture_clipped_samples == 0


@given(bit_depth=BIT_DEPTHS, mixture=FLOATS, vocals=FLOATS)
def test_any_mixture_is_the_sum_after_clipping_and_clipping_is_counted(bit_depth, mixture, vocals):
    full = 2 ** (bit_depth - 1)
    whole = np.rint(mixture.astype(np.float64) * full)
    stems = split_integers(mixture, vocals, bit_depth)
    total = stems.vocals.astype(np.int64) + stems.accompaniment
    np.testing.assert_array_equal(total, np.clip(whole, -full, full - 1))
    assert stems.mixture_clipped_samples == np.count_nonzero((whole < -full) | (whole >= full))
    assert _in_range(stems.vocals, bit_depth)
    assert _in_range(stems.accompaniment, bit_depth)


@given(bit_depth=BIT_DEPTHS, mixture=FLOATS, vocals=FLOATS)
def test_vocals_are_the_nearest_integers_wherever_they_were_not_limited(bit_depth, mixture, vocals):
    stems = split_integers(mixture, vocals, bit_depth)
    nearest = np.rint(vocals.astype(np.float64) * 2 ** (bit_depth - 1))
    assert np.count_nonzero(stems.vocals != nearest) == stems.limited_samples


@pytest.mark.parametrize(
    ("mixture", "vocals", "expected", "limited"),
    [
        (-128, 127, (0, -128), 1),  # the accompaniment would be -255; -128 is the least
        (127, -128, (0, 127), 1),
        (-128, -128, (-128, 0), 0),
        (127, 127, (127, 0), 0),
        (-1, 127, (127, -128), 0),
        (0, -128, (-127, 127), 1),
    ],
)
def test_extremes_of_8_bits_worked_by_hand(mixture, vocals, expected, limited):
    stems = split_integers(_on_grid([[mixture]], 8), _on_grid([[vocals]], 8), 8)
    total = stems.vocals + stems.accompaniment
    assert total.tolist() == [[mixture]]
    assert (stems.vocals[0, 0], stems.accompaniment[0, 0]) == expected
    assert stems.limited_samples == limited


def test_a_half_goes_to_the_even_integer_and_the_rest_takes_the_other_half():
    stems = split_integers(_on_grid([[3, 3]], 16), _on_grid([[1.5, 2.5]], 16), 16)
    assert stems.vocals.tolist() == [[2, 2]]
    assert stems.accompaniment.tolist() == [[1, 1]]


def test_float_stems_add_up_to_the_mixture():
    mixture, vocals = np.random.default_rng(0).uniform(-1, 1, (2, 2, 100)).astype(np.float32)
    stems = Stems(mixture, vocals)
    np.testing.assert_allclose(stems.vocals + stems.accompaniment, mixture, atol=1e-7)
    grid = stems.on_grid(16)
    np.testing.assert_array_equal(
        grid.vocals + grid.accompaniment, np.rint(mixture.astype(np.float64) * 32_768)
    )
