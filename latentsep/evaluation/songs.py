"""Generated songs to score against."""

from collections.abc import Iterator

import numpy as np

from latentsep.training.song_folder import ReferenceSong
from latentsep.training.songs import generate_song

HELD_OUT_SEED = 1_000_003
"""Generated songs for scoring come from a seed that no training file uses."""


def generated_songs(count: int, duration_s: float) -> Iterator[ReferenceSong]:
    """Songs of the built-in generator that no training has seen."""
    for number in range(count):
        song = generate_song(np.random.default_rng([HELD_OUT_SEED, number]), duration_s)
        yield ReferenceSong(f"generated-{number}", 44_100, song.vocals, song.accompaniment)
