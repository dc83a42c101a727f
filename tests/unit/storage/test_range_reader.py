import io
import random

import pytest

from latentsep.errors import StoreError
from latentsep.storage.range_reader import FIRST_FETCH_BYTES, LARGEST_FETCH_BYTES, RangeReader


def reader_over(data):
    """A reader, and the ranges it asked for."""
    asked = []

    def fetch(start, length):
        asked.append((start, length))
        return data[start : start + length]

    return io.BufferedReader(RangeReader("x", len(data), fetch), 64 * 1024), asked


def test_reading_on_asks_for_larger_and_larger_pieces():
    data = random.Random(0).randbytes(20 * 1024 * 1024)
    reader, asked = reader_over(data)
    with reader:
        assert b"".join(iter(lambda: reader.read(100_000), b"")) == data
    lengths = [length for _, length in asked]
    assert lengths[:3] == [FIRST_FETCH_BYTES, 2 * FIRST_FETCH_BYTES, 4 * FIRST_FETCH_BYTES]
    assert max(lengths) == LARGEST_FETCH_BYTES
    assert sum(lengths) == len(data)
    assert len(asked) <= 12


def test_a_header_costs_one_small_request():
    reader, asked = reader_over(bytes(10**7))
    with reader:
        reader.read(44)
        reader.seek(12)
        reader.read(100)
    assert asked == [(0, FIRST_FETCH_BYTES)]


def test_a_jump_starts_small_again():
    reader, asked = reader_over(bytes(10**7))
    with reader:
        reader.read(10**6)
        asked.clear()
        reader.seek(-100, io.SEEK_END)
        assert len(reader.read()) == 100
        reader.seek(5 * 10**6)
        reader.read(10)
    assert asked == [(10**7 - 100, 100), (5 * 10**6, FIRST_FETCH_BYTES)]


def test_a_piece_cut_short_is_an_error_and_not_the_end():
    reader = RangeReader("s3://b/x", 1000, lambda start, length: bytes(length - 1))
    with pytest.raises(StoreError, match="s3://b/x: 999 bytes came at 0, not 1000") as caught:
        reader.read(10)
    assert caught.value.retryable


def test_the_start_is_a_limit():
    reader, _ = reader_over(bytes(10))
    with reader, pytest.raises(ValueError, match="before the start"):
        reader.seek(-11, io.SEEK_END)
