"""A training of seconds: a tiny model, and stems that are easy to tell apart."""

import numpy as np
import scipy.signal
from tiny_models import CONFIG, RATE_HZ

from latentsep.training.config import TrainConfig
from latentsep.training.mixing import StemPool
from latentsep.training.stems import TrainingSong

TRAINING = {
    "model": CONFIG,
    "data": {"silent_vocals_share": 0.0, "silent_accompaniment_share": 0.0},
    "duration_s": 1_000.0,
    "batch_items": 4,
    "crop_frames": 32,
    "learning_rate": 1e-2,
    "warmup_steps": 1,
    "ema_decay": 0.5,
    "bf16": False,
    "threads": 1,
    "scale_examples": 8,
}


def tiny_train_config(**changes):
    """The settings of a tiny training; ``changes`` replace whole entries."""
    return TrainConfig.model_validate({**TRAINING, **changes})


def pcm_noise(seed, samples, cutoff_hz=None, kind="low"):
    """Noise ``[2, sample]`` int16, maybe below or above a cutoff."""
    noise = np.random.default_rng(seed).standard_normal((2, samples))
    if cutoff_hz is not None:
        sections = scipy.signal.butter(6, cutoff_hz, kind, fs=RATE_HZ, output="sos")
        noise = scipy.signal.sosfilt(sections, noise, axis=1)
    return np.round(6_000 * np.clip(noise, -5, 5)).astype(np.int16)


def random_song(seed, samples=8_000):
    """Vocals below 500 Hz, accompaniment above."""
    return TrainingSong(
        f"song {seed}",
        pcm_noise(2 * seed, samples, 500),
        pcm_noise(2 * seed + 1, samples, 500, "high"),
    )


def tiny_pool(**changes):
    """Two recorded songs; ``changes`` replace whole lists."""
    return StemPool(**{"recorded": [random_song(0), random_song(1)], "generated": [], **changes})
