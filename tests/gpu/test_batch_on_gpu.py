"""Needs a CUDA device and fails without one; `make test` leaves this folder out."""

import pytest
from tiny_models import RATE_HZ, noise_waveform, tiny_model

from latentsep.separation.options import SeparationOptions
from latentsep.separation.separator import Separator

pytestmark = pytest.mark.gpu


def test_the_batch_is_found_and_runs():
    separator = Separator(tiny_model(), SeparationOptions(device="cuda"))
    assert separator.batch_chunks in {1, 2, 4, 8, 16, 32, 64}
    assert separator.separate(noise_waveform(0, 500), RATE_HZ).vocals.shape == (2, 500)
