from dataclasses import replace

import numpy as np
import pytest
from true_songs import RATE_HZ, true_song

from latentsep.evaluation.excerpt import excerpt


def _song(vocals, accompaniment=None):
    """A second for each level."""
    vocals = np.array(vocals, np.float32).repeat(RATE_HZ)[None]
    levels = np.ones(vocals.shape[1] // RATE_HZ) if accompaniment is None else accompaniment
    accompaniment = np.array(levels, np.float32).repeat(RATE_HZ)[None]
    song = true_song(samples=vocals.shape[1])
    return replace(song, mixture=vocals, vocals=vocals, accompaniment=accompaniment)


def _seconds(song, length_s):
    place = excerpt(song, length_s)
    return place.start / RATE_HZ, place.stop / RATE_HZ


def test_the_excerpt_is_where_the_voice_sounds_most():
    assert _seconds(_song([0, 0, 0, 0, 0, 1, 1, 1, 0, 0]), 3) == (5, 8)


def test_a_second_counts_where_both_stems_sound():
    assert _seconds(_song([1, 1, 1, 1, 1, 1], [1, 0, 0, 0, 1, 1]), 2) == (4, 6)


def test_of_equal_stretches_the_one_nearest_to_the_middle_is_taken():
    assert _seconds(_song([1] * 9), 3) == (3, 6)
    assert _seconds(_song([1, 1, 0, 0, 0, 1, 1, 0]), 2) == (5, 7)
    assert _seconds(_song([1, 1, 0, 0, 0, 0, 1, 1]), 2) == (0, 2)


def test_a_louder_voice_is_not_preferred():
    assert _seconds(_song([9, 9, 1, 1, 1, 1, 1, 1]), 2) == (3, 5)


def test_a_stem_20_db_below_its_own_level_does_not_sound():
    # Six of twelve seconds have a power of 1: 20 dB below the mean is an amplitude of 0.071.
    quiet, silent = 0.072, 0.070
    song = _song([silent, quiet, quiet, *[1] * 6, silent, silent, silent])
    assert _seconds(song, 8) == (1, 9)


@pytest.mark.parametrize("vocals", [[0] * 9, [0, 0, 0]])
def test_without_vocals_it_is_the_middle(vocals):
    middle = (len(vocals) - 3) / 2
    assert _seconds(_song(vocals), 3) == (middle, middle + 3)


def test_a_shorter_song_is_taken_whole():
    song = true_song(samples=RATE_HZ + 7)
    assert excerpt(song, 30) == slice(0, RATE_HZ + 7)
