"""Whole songs: a plan, a layout, singers and a band."""

import numpy as np

from latentsep.audio.resample import resample
from latentsep.training.rich_songs.band import Setting, perform_band
from latentsep.training.rich_songs.instruments import SAMPLE_RATE_HZ
from latentsep.training.rich_songs.layout import random_layout
from latentsep.training.rich_songs.singers import Singers
from latentsep.training.rich_songs.tools import require_tools
from latentsep.training.songs.effects import amplitude
from latentsep.training.songs.harmony import random_plan
from latentsep.training.songs.song import Song, mixed_down, normalised

VOCALS_DB = (-6.0, 4.0)
"""Range of the vocals' level over the accompaniment's."""


def generate_song(
    rng: np.random.Generator, duration_s: float, sample_rate_hz: int = SAMPLE_RATE_HZ
) -> Song:
    """Draw a song of sampled instruments and resynthesised speech.

    Args:
        rng: source of all randomness; the same state, programs and soundfont give the same bytes.
        duration_s: length of the song.
        sample_rate_hz: sample rate of the stems; 44.1 kHz inside.

    Raises:
        ConfigError: a program, the soundfont or pyworld is missing, or a program fails.
    """
    require_tools()
    plan = random_plan(rng, duration_s)
    layout = random_layout(rng, plan)
    singers = Singers(rng, plan, layout)
    vocals = normalised(singers.perform()) * np.float32(amplitude(rng.uniform(*VOCALS_DB)))
    accompaniment = perform_band(rng, Setting(plan, layout, singers.lines))
    vocals, accompaniment = (
        resample(stem, SAMPLE_RATE_HZ, sample_rate_hz) for stem in (vocals, accompaniment)
    )
    return mixed_down(rng, vocals, accompaniment, sample_rate_hz)
