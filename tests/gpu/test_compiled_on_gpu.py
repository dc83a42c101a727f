"""Needs a CUDA device and fails without one; `make test` leaves this folder out."""

import pytest
from tiny_models import RATE_HZ, noise_waveform, tiny_model

from latentsep.quality.reference import sdr_db
from latentsep.separation.options import SeparationOptions
from latentsep.separation.separator import Separator

pytestmark = pytest.mark.gpu


def test_a_compiled_network_gives_the_same_vocals():
    track = noise_waveform(0, 20_000)
    plain, compiled = (
        Separator(tiny_model(), SeparationOptions(device="cuda", compile=compile_it))
        .separate(track, RATE_HZ)
        .vocals
        for compile_it in (False, True)
    )
    assert sdr_db(plain, compiled) > 50
