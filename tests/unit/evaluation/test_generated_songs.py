import numpy as np

from latentsep.evaluation.songs import generated_songs


def test_generated_songs_are_the_same_each_time_and_differ_from_each_other():
    first, second = generated_songs(2, 5.0)
    again = next(generated_songs(1, 5.0))
    assert [first.name, second.name] == ["generated-0", "generated-1"]
    assert first.vocals.shape == first.accompaniment.shape == (2, 5 * 44_100)
    np.testing.assert_array_equal(first.mixture, again.mixture)
    assert not np.array_equal(first.mixture, second.mixture)


def test_no_generated_songs_are_none():
    assert list(generated_songs(0, 5.0)) == []
