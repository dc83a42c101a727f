import numpy as np
import pytest
import soundfile

from latentsep.errors import AudioDecodeError, ConfigError
from latentsep.training.song_folder import read_song, song_folders

RATE_HZ = 8_000


def _write(file, value, samples=100, channels=2, rate_hz=RATE_HZ):
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, np.full((samples, channels), value), rate_hz, subtype="FLOAT")


def test_all_but_vocals_and_mixture_add_up_to_the_accompaniment(tmp_path, decoder):
    _write(tmp_path / "vocals.wav", 0.5, samples=90)
    _write(tmp_path / "bass.wav", 0.25, samples=80)
    _write(tmp_path / "drums.wav", 0.125)
    _write(tmp_path / "mixture.wav", 0.9)
    song = read_song(tmp_path, decoder)
    assert (song.name, song.sample_rate_hz) == (tmp_path.name, RATE_HZ)
    # As long as the longest: 0.25 + 0.125 while the bass plays, then 0.125.
    np.testing.assert_array_equal(song.accompaniment[:, :80], np.full((2, 80), 0.375))
    np.testing.assert_array_equal(song.accompaniment[:, 80:], np.full((2, 20), 0.125))
    np.testing.assert_array_equal(song.vocals[:, :90], np.full((2, 90), 0.5))
    assert not song.vocals[:, 90:].any()
    np.testing.assert_array_equal(song.mixture, song.vocals + song.accompaniment)


@pytest.mark.parametrize("names", [[], ["vocals"], ["bass"], ["mixture", "vocals"]])
def test_a_folder_that_is_no_song_is_refused_by_name(tmp_path, decoder, names):
    for name in names:
        _write(tmp_path / f"{name}.wav", 0.1)
    with pytest.raises(ConfigError, match="at least one other stem") as caught:
        read_song(tmp_path, decoder)
    assert str(tmp_path) in str(caught.value)


def test_a_folder_that_is_not_there_is_refused_by_name(tmp_path, decoder):
    with pytest.raises(ConfigError, match="nosuch"):
        read_song(tmp_path / "nosuch", decoder)


@pytest.mark.parametrize("other", [{"rate_hz": 16_000}, {"channels": 1}])
def test_stems_of_two_formats_are_refused_with_both(tmp_path, decoder, other):
    _write(tmp_path / "vocals.wav", 0.1)
    _write(tmp_path / "bass.wav", 0.1, **other)
    with pytest.raises(ConfigError, match=r"\(8000, 2\)"):
        read_song(tmp_path, decoder)


def test_a_stem_that_is_no_audio_is_refused_by_name(tmp_path, decoder):
    _write(tmp_path / "vocals.wav", 0.1)
    (tmp_path / "bass.wav").write_text("recorded in May", "utf-8")
    with pytest.raises(AudioDecodeError, match=r"bass\.wav"):
        read_song(tmp_path, decoder)


def test_covers_notes_and_hidden_files_are_no_stems(tmp_path, decoder):
    _write(tmp_path / "vocals.wav", 0.1)
    _write(tmp_path / "bass.wav", 0.2)
    for name in ("cover.jpg", "notes.txt", ".DS_Store", "._bass.wav"):
        (tmp_path / name).write_bytes(b"not a stem")
    assert read_song(tmp_path, decoder).accompaniment.max() == pytest.approx(0.2, abs=1e-4)


def test_two_files_of_one_stem_are_refused_by_name(tmp_path, decoder):
    """Neither may be dropped without a word."""
    for file in ("vocals.wav", "bass.wav", "bass.flac"):
        soundfile.write(tmp_path / file, np.full((100, 2), 0.1), RATE_HZ)
    with pytest.raises(ConfigError, match="bass"):
        read_song(tmp_path, decoder)


def test_songs_are_found_in_a_folder_or_are_the_folder(tmp_path):
    for name in ("b", "a"):
        for stem in ("vocals", "bass"):
            _write(tmp_path / name / f"{stem}.wav", 0.1)
    _write(tmp_path / "not a song" / "bass.wav", 0.1)
    assert song_folders(tmp_path) == [tmp_path / "a", tmp_path / "b"]
    assert song_folders(tmp_path / "a") == [tmp_path / "a"]


def test_a_folder_without_songs_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match="no song found") as caught:
        song_folders(tmp_path)
    assert str(tmp_path) in str(caught.value)
