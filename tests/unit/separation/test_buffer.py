import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from latentsep.separation.buffer import SampleBuffer

LENGTHS = st.lists(st.integers(0, 30), max_size=8)


def _blocks(lengths, channels=2):
    """Blocks of consecutive numbers from 1, and all of them in one array."""
    whole = np.arange(1, channels * sum(lengths) + 1, dtype=np.float32).reshape(channels, -1)
    return np.split(whole, np.cumsum(lengths)[:-1], axis=1) if lengths else [], whole


@given(lengths=LENGTHS, start=st.integers(-40, 200), length=st.integers(0, 100))
def test_reading_is_a_slice_of_the_whole_with_silence_around_it(lengths, start, length):
    blocks, whole = _blocks(lengths)
    buffer = SampleBuffer(2)
    for block in blocks:
        buffer.append(block)
    assert buffer.end == whole.shape[1]
    padded = np.pad(whole, ((0, 0), (40, 300)))
    expected = padded[:, start + 40 : start + 40 + length]
    np.testing.assert_array_equal(buffer.read(start, start + length), expected)


@given(lengths=LENGTHS, data=st.data())
def test_dropping_keeps_everything_from_its_place_on(lengths, data):
    blocks, whole = _blocks(lengths)
    buffer = SampleBuffer(2)
    place = 0
    for block in blocks:
        buffer.append(block)
        place = data.draw(st.integers(place, buffer.end))
        buffer.drop_before(place)
        assert buffer.begin == place
        np.testing.assert_array_equal(buffer.read(place, buffer.end), whole[:, place : buffer.end])


def test_dropping_before_the_start_changes_nothing():
    buffer = SampleBuffer(1)
    buffer.append(np.ones((1, 4), np.float32))
    buffer.drop_before(-3)
    assert buffer.begin == 0
    assert buffer.read(0, 4).tolist() == [[1, 1, 1, 1]]


def test_a_drop_frees_the_blocks_it_passed():
    buffer = SampleBuffer(1)
    for _ in range(100):
        buffer.append(np.ones((1, 10), np.float32))
        buffer.drop_before(buffer.end - 5)
        assert len(buffer._blocks) == 1


def test_a_block_that_is_overwritten_afterwards_was_kept():
    """Readers may fill one array again and again."""
    buffer = SampleBuffer(1)
    block = np.ones((1, 4), np.float32)
    buffer.append(block)
    block[:] = 7
    assert buffer.read(0, 4).tolist() == [[1, 1, 1, 1]]
