import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentsep.training.songs import (
    Song,
    generate_accompaniment,
    generate_song,
    generate_vocals,
)

RATE_HZ = 44_100


def _song(seed, duration_s=3.0, sample_rate_hz=RATE_HZ):
    return generate_song(np.random.default_rng(seed), duration_s, sample_rate_hz)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    duration_s=st.floats(0.01, 2.5),
    sample_rate_hz=st.sampled_from([16_000, 22_050, 44_100, 48_000]),
)
def test_any_song_has_two_finite_stems_of_its_length(seed, duration_s, sample_rate_hz):
    song = _song(seed, duration_s, sample_rate_hz)
    for stem in (song.vocals, song.accompaniment, song.mixture):
        assert stem.shape == (2, round(duration_s * sample_rate_hz))
        assert stem.dtype == np.float32
        assert np.isfinite(stem).all()
    assert np.max(np.abs(song.mixture), initial=0.0) < 1


def test_the_same_seed_gives_the_same_bytes():
    first, second = _song(11), _song(11)
    assert first.vocals.tobytes() == second.vocals.tobytes()
    assert first.accompaniment.tobytes() == second.accompaniment.tobytes()


def test_another_seed_gives_another_song():
    assert not np.array_equal(_song(1).mixture, _song(2).mixture)


def test_the_mixture_is_the_float32_sum_of_the_stems():
    song = _song(3)
    np.testing.assert_array_equal(song.mixture, song.vocals + song.accompaniment)


def test_a_song_cannot_be_changed():
    song = Song(np.zeros((2, 4), np.float32), np.zeros((2, 4), np.float32))
    with pytest.raises(AttributeError):
        song.vocals = song.accompaniment


def test_stems_come_at_comparable_levels():
    ratios_db = []
    for seed in range(5):
        song = _song(seed, 4.0)
        vocals, accompaniment = (
            float(np.sum(s.astype(np.float64) ** 2)) for s in (song.vocals, song.accompaniment)
        )
        assert accompaniment > 0
        # A singer may rest throughout an excerpt as short as this.
        if vocals > 0:
            ratios_db.append(10 * np.log10(vocals / accompaniment))
    assert len(ratios_db) >= 3
    assert -20 < np.median(ratios_db) < 10


@pytest.mark.parametrize("generate", [generate_vocals, generate_accompaniment])
def test_a_stem_alone_is_normalised_and_repeatable(generate):
    stem = generate(np.random.default_rng(4), 3.0, RATE_HZ)
    again = generate(np.random.default_rng(4), 3.0, RATE_HZ)
    assert stem.shape == (2, 3 * RATE_HZ)
    assert np.max(np.abs(stem)) == pytest.approx(0.5, rel=1e-5)
    np.testing.assert_array_equal(stem, again)
