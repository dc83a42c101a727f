import logging

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import RATE_HZ, noise_waveform, tiny_model

from latentsep.errors import TrackError
from latentsep.separation.batching import (
    MAX_BATCH_CHUNKS,
    MEMORY_SHARE,
    find_batch_chunks,
    separate_within_memory,
)
from latentsep.separation.noise import TrackNoise
from latentsep.separation.options import SeparationOptions
from latentsep.separation.separator import Separator
from latentsep.separation.windows import Window, WindowVocals


class FakeMemory:
    """A device of some size on which a batch costs a base and so much per chunk."""

    def __init__(self, free_bytes, base_bytes=0, chunk_bytes=1, surprise=None):
        self._free_bytes = free_bytes
        self._base_bytes = base_bytes
        self._chunk_bytes = chunk_bytes
        self._surprise = surprise or {}
        self._peak_bytes = 0
        self.tried = []

    def free_bytes(self):
        return self._free_bytes

    def peak_bytes(self, work):
        self._peak_bytes = 0
        work()
        return self._peak_bytes

    def trial(self, batch_chunks):
        self.tried.append(batch_chunks)
        cost = self._base_bytes + self._chunk_bytes * batch_chunks
        self._peak_bytes = self._surprise.get(batch_chunks, cost)
        if self._peak_bytes > self._free_bytes:
            raise torch.OutOfMemoryError("CUDA out of memory")


def _found(memory):
    return find_batch_chunks(memory.trial, memory)


@given(
    free_bytes=st.integers(1, 10**6),
    base_bytes=st.integers(0, 10**5),
    chunk_bytes=st.integers(1, 10**5),
)
def test_the_batch_is_the_largest_power_of_two_within_the_share(
    free_bytes, base_bytes, chunk_bytes
):
    budget_bytes = int(free_bytes * MEMORY_SHARE)
    fitting = [
        size for size in (1, 2, 4, 8, 16, 32, 64) if base_bytes + size * chunk_bytes <= budget_bytes
    ]
    assert _found(FakeMemory(free_bytes, base_bytes, chunk_bytes)) == max(fitting, default=1)


def test_a_large_device_gets_the_largest_batch_and_no_larger_one_is_tried():
    memory = FakeMemory(10**12)
    assert _found(memory) == MAX_BATCH_CHUNKS == max(memory.tried)


def test_the_size_found_was_run():
    memory = FakeMemory(50)
    assert _found(memory) == memory.tried[-1] == 32


def test_a_batch_that_does_not_fit_after_all_is_halved_until_one_does():
    memory = FakeMemory(1_000, surprise={64: 10**9, 32: 900})
    assert _found(memory) == 16
    assert memory.tried == [1, 2, 4, 64, 32, 16]


def test_a_device_that_holds_nothing_gets_single_chunks():
    assert _found(FakeMemory(0)) == 1


class TooSmallDevice:
    """Runs out of memory with more chunks than fit, and keeps count of what was asked of it."""

    def __init__(self, fits, batch_chunks):
        self.fits = fits
        self.batch_chunks = batch_chunks
        self.calls = []

    @property
    def windows_per_call(self):
        return max(1, self.batch_chunks // 2)

    def separate_windows(self, windows):
        self.calls.append([window.first_frame for window in windows])
        if self.batch_chunks > self.fits:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate much.\nDetails")
        return [WindowVocals(window.mixture) for window in windows]

    def shrink_batch(self):
        if self.batch_chunks == 1:
            return False
        self.batch_chunks //= 2
        return True


def _windows(count):
    noise = TrackNoise(0, "", 1)
    return [Window(torch.full((1, 1), float(place)), place, noise) for place in range(count)]


@given(fits=st.integers(1, 64), batch_chunks=st.integers(1, 64), count=st.integers(0, 40))
def test_every_window_comes_back_once_and_in_order(fits, batch_chunks, count):
    device = TooSmallDevice(fits, batch_chunks)
    vocals = separate_within_memory(device, _windows(count))
    assert [float(one.vocals) for one in vocals] == list(range(count))
    assert device.batch_chunks <= max(fits, 1) or count == 0


def test_what_does_not_fit_is_split_and_the_batch_stays_small():
    device = TooSmallDevice(fits=2, batch_chunks=8)
    separate_within_memory(device, _windows(4))
    assert device.calls == [[0, 1, 2, 3], [0, 1], [0], [1], [2], [3]]
    separate_within_memory(device, _windows(1))
    assert device.calls[-1] == [0]


def test_windows_that_fit_go_in_one_call():
    device = TooSmallDevice(fits=8, batch_chunks=8)
    separate_within_memory(device, _windows(4))
    assert device.calls == [[0, 1, 2, 3]]


def test_running_out_of_memory_is_logged_with_the_batch_that_did(caplog):
    with caplog.at_level(logging.WARNING):
        separate_within_memory(TooSmallDevice(fits=2, batch_chunks=4), _windows(2))
    (record,) = caplog.records
    assert "event=out_of_memory batch_chunks=4 windows=2" in record.getMessage()
    assert "Details" not in record.getMessage()


def test_a_device_too_small_for_one_chunk_fails_the_track_and_says_what_to_do():
    with pytest.raises(TrackError, match=r"one chunk at a time.* another device") as caught:
        separate_within_memory(TooSmallDevice(fits=0, batch_chunks=4), _windows(2))
    assert caught.value.retryable


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    class Broken(TooSmallDevice):
        def separate_windows(self, windows):
            raise RuntimeError("no kernel image")

    with pytest.raises(RuntimeError, match="no kernel image"):
        separate_within_memory(Broken(8, 8), _windows(1))


class ScarceSeparator(Separator):
    """A separator on a device that holds two chunks at a time."""

    def separate_windows(self, windows):
        if self.batch_chunks > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().separate_windows(windows)


def test_a_recording_is_separated_on_whatever_fits():
    waveform = noise_waveform(0, 9_000)
    scarce = ScarceSeparator(tiny_model(), SeparationOptions(batch_chunks=8))
    plenty = Separator(tiny_model(), SeparationOptions(batch_chunks=2))
    expected = plenty.separate(waveform, RATE_HZ).vocals
    assert (scarce.separate(waveform, RATE_HZ).vocals == expected).all()
    assert scarce.batch_chunks == 2
