import math

import numpy as np
import pytest
import soundfile

from latentsep.errors import AudioDecodeError, ConfigError
from latentsep.evaluation.songs import GeneratedSong, SongFolder, find_songs

RATE_HZ = 8_000


def _write(file, value, samples=100, channels=2, rate_hz=RATE_HZ):
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, np.full((samples, channels), value), rate_hz, subtype="FLOAT")


@pytest.fixture
def folder(tmp_path):
    """A song as MUSDB-HQ has it, without its mixture."""
    for stem, value in {"vocals": 0.5, "drums": 0.25, "bass": 0.125, "other": 0.0625}.items():
        _write(tmp_path / "Artist - Title" / f"{stem}.wav", value)
    return tmp_path / "Artist - Title"


def test_without_its_file_the_mixture_is_the_sum_of_the_stems(folder):
    song = SongFolder(folder).load()
    assert (song.name, song.sample_rate_hz) == ("Artist - Title", RATE_HZ)
    np.testing.assert_array_equal(song.accompaniment, np.full((2, 100), 0.4375))
    np.testing.assert_array_equal(song.mixture, np.full((2, 100), 0.9375))
    assert song.mixture_error_db is None
    assert song.duration_s == 100 / RATE_HZ


def test_a_mixture_of_its_own_is_taken_and_its_difference_told(folder):
    _write(folder / "mixture.wav", 1.0)
    song = SongFolder(folder).load()
    np.testing.assert_array_equal(song.mixture, np.ones((2, 100)))
    # 1 - 0.9375 is 0.0625 of 1.
    assert song.mixture_error_db == pytest.approx(20 * math.log10(0.0625), abs=1e-3)


def test_a_mixture_that_is_the_sum_differs_by_nothing(folder):
    _write(folder / "mixture.wav", 0.9375)
    assert SongFolder(folder).load().mixture_error_db is None


@pytest.mark.parametrize("samples", [90, 110])
def test_the_song_is_as_long_as_the_longest_file(folder, samples):
    _write(folder / "mixture.wav", 0.9375, samples=samples)
    song = SongFolder(folder).load()
    stems = (song.mixture, song.vocals, song.accompaniment)
    assert {stem.shape for stem in stems} == {(2, max(samples, 100))}
    assert (song.mixture[:, samples:] == 0).all()
    assert (song.vocals[:, 100:] == 0).all()
    # Ten samples of the stems are too much, or of the mixture.
    assert song.mixture_error_db == pytest.approx(10 * math.log10(10 / samples), abs=1e-3)


@pytest.mark.parametrize("other", [{"rate_hz": 16_000}, {"channels": 1}])
def test_a_mixture_of_another_format_is_refused_by_name(folder, other):
    _write(folder / "mixture.wav", 0.5, **other)
    with pytest.raises(ConfigError, match=r"mixture\.wav has"):
        SongFolder(folder).load()


def test_two_mixtures_are_refused_by_name(folder):
    for ending in ("wav", "flac"):
        soundfile.write(folder / f"mixture.{ending}", np.zeros((100, 2)), RATE_HZ)
    with pytest.raises(ConfigError, match=r"mixture\.flac.*mixture\.wav"):
        SongFolder(folder).load()


def test_a_mixture_that_cannot_be_read_is_refused_by_name(folder):
    (folder / "mixture.wav").write_bytes(b"no audio")
    with pytest.raises(AudioDecodeError, match=r"mixture\.wav"):
        SongFolder(folder).load()


def test_a_cut_is_of_all_three(folder):
    song = SongFolder(folder).load()
    cut = song.cut(20, 30)
    assert {x.shape for x in (cut.mixture, cut.vocals, cut.accompaniment)} == {(2, 30)}
    assert (cut.name, cut.sample_rate_hz) == (song.name, song.sample_rate_hz)


def test_songs_are_the_folder_or_those_in_it_or_those_in_its_test_folder(folder):
    data = folder.parent
    assert find_songs(folder) == [SongFolder(folder)]
    assert find_songs(data) == [SongFolder(folder)]
    for subset in ("test", "train"):
        _write(data / "musdb" / subset / f"{subset} song" / "vocals.wav", 0.1)
        _write(data / "musdb" / subset / f"{subset} song" / "bass.wav", 0.1)
    found = data / "musdb" / "test" / "test song"
    assert find_songs(data / "musdb") == [SongFolder(found)]
    assert [song.name for song in find_songs(data / "musdb" / "train")] == ["train song"]


def test_a_folder_without_songs_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match="no song found") as caught:
        find_songs(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_generated_songs_are_the_same_each_time_and_differ_from_each_other():
    first, second, again = (GeneratedSong(number, 5.0).load() for number in (0, 1, 0))
    assert [first.name, second.name] == ["generated-0", "generated-1"]
    assert first.vocals.shape == first.accompaniment.shape == (2, 5 * 44_100)
    np.testing.assert_array_equal(first.mixture, first.vocals + first.accompaniment)
    np.testing.assert_array_equal(first.mixture, again.mixture)
    assert not np.array_equal(first.mixture, second.mixture)


def test_songs_of_another_generator_are_named_after_it():
    assert GeneratedSong(3, 5.0, "rich").name == "generated-rich-3"
