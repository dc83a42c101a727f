"""Songs of noise with true stems."""

import numpy as np
from tiny_models import noise_waveform

from latentsep.evaluation.songs import TrueSong

RATE_HZ = 8_000


def true_song(name="song", vocals_gain=1.0, samples=RATE_HZ, channels=2):
    """A song whose stems have one level, unless the vocals have a gain."""
    vocals = (vocals_gain * noise_waveform(1, samples, channels)).astype(np.float32)
    accompaniment = noise_waveform(2, samples, channels)
    return TrueSong(name, RATE_HZ, vocals + accompaniment, vocals, accompaniment)
