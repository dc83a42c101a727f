import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from tiny_training import pcm_noise

from latentsep.errors import ConfigError
from latentsep.training import stems as module
from latentsep.training.config import DataConfig
from latentsep.training.mixing import PoolPlaces, load_pool
from latentsep.training.stems import (
    PCM_SCALE,
    crop,
    crop_at,
    load_loose,
    load_song,
)

RATE_HZ = 8_000


def _write(file, waveform, rate_hz=RATE_HZ):
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, np.asarray(waveform, np.float64).T, rate_hz, subtype="FLOAT")


def _constant(value, samples=100, channels=2):
    return np.full((channels, samples), value)


@given(length=st.integers(1, 300), samples=st.integers(1, 300), seed=st.integers(0, 2**32 - 1))
def test_a_crop_is_a_piece_of_the_stem_or_holds_all_of_it(length, samples, seed):
    stem = np.arange(1, 2 * length + 1, dtype=np.int16).reshape(2, length)
    piece = crop(stem, samples, np.random.default_rng(seed))
    assert piece.shape == (2, samples)
    assert piece.dtype == np.float32
    integers = np.rint(piece * PCM_SCALE).astype(int)
    sounding = integers[0].nonzero()[0]
    assert len(sounding) == min(length, samples)
    first = integers[0, sounding[0]] - 1
    np.testing.assert_array_equal(integers[:, sounding], stem[:, first : first + len(sounding)])
    np.testing.assert_array_equal(np.diff(sounding), 1)


def test_crops_start_anywhere_in_the_stem():
    stem = np.arange(10, dtype=np.int16)[None].repeat(2, axis=0)
    rng = np.random.default_rng(0)
    firsts = {round(float(crop(stem, 8, rng)[0, 0] * PCM_SCALE)) for _ in range(100)}
    assert firsts == {0, 1, 2}


def test_a_wanted_start_is_kept():
    stem = np.arange(10, dtype=np.int16)[None].repeat(2, axis=0)
    piece = crop_at(stem, 4, 5)
    assert np.rint(piece * PCM_SCALE).tolist() == [[5, 6, 7, 8]] * 2


def test_a_mono_song_goes_to_both_sides(tmp_path, decoder):
    _write(tmp_path / "vocals.wav", _constant(0.5, channels=1))
    _write(tmp_path / "bass.wav", _constant(0.25, channels=1))
    song = load_song(tmp_path, RATE_HZ, decoder)
    assert song.name == tmp_path.name
    np.testing.assert_array_equal(song.vocals, _constant(round(0.5 * PCM_SCALE)))
    np.testing.assert_array_equal(song.accompaniment, _constant(round(0.25 * PCM_SCALE)))


def test_a_sum_beyond_full_scale_takes_the_vocals_down_with_it(tmp_path, decoder):
    _write(tmp_path / "vocals.wav", _constant(0.5))
    for name in ("bass", "drums"):
        _write(tmp_path / f"{name}.wav", _constant(1.0))
    song = load_song(tmp_path, RATE_HZ, decoder)
    np.testing.assert_allclose(song.accompaniment / PCM_SCALE, 1.0, atol=2e-5)
    np.testing.assert_allclose(song.vocals / PCM_SCALE, 0.25, atol=2e-5)


def test_vocals_beyond_full_scale_are_scaled_with_their_song_not_clipped(tmp_path, decoder):
    _write(tmp_path / "vocals.wav", _constant(2.0))
    _write(tmp_path / "bass.wav", _constant(0.5))
    song = load_song(tmp_path, RATE_HZ, decoder)
    np.testing.assert_allclose(song.vocals / PCM_SCALE, 1.0, atol=2e-5)
    np.testing.assert_allclose(song.accompaniment / PCM_SCALE, 0.25, atol=2e-5)


def test_a_song_is_resampled_to_the_models_rate(tmp_path, decoder):
    for name in ("vocals", "bass"):
        _write(tmp_path / f"{name}.wav", _constant(0.25, samples=1_000), 2 * RATE_HZ)
    song = load_song(tmp_path, RATE_HZ, decoder)
    assert song.vocals.shape == song.accompaniment.shape == (2, 500)


def test_loose_recordings_are_found_by_their_pattern(tmp_path, decoder):
    for name in ("a/1", "a/2", "b/3"):
        _write(tmp_path / f"{name}.wav", _constant(0.1))
    assert len(load_loose("a/*.wav", tmp_path, RATE_HZ, decoder)) == 2
    assert len(load_loose("**/*.wav", tmp_path, RATE_HZ, decoder)) == 3


def test_a_pattern_without_files_is_refused_by_name(tmp_path, decoder):
    with pytest.raises(ConfigError, match=r"no file matches 'c/\*\.wav'"):
        load_loose("c/*.wav", tmp_path, RATE_HZ, decoder)


def _generated(folder, count=1, duration_s=2.0, rate_hz=RATE_HZ):
    config = DataConfig(generated_songs={"plain": count}, generated_song_s=duration_s)
    return load_pool(config, PoolPlaces(folder, folder, rate_hz, seed=0, workers=1)).generated


def test_generated_songs_are_kept_and_found_again(tmp_path):
    first = _generated(tmp_path, count=2)
    times = {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    again = _generated(tmp_path, count=2)
    assert {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()} == times
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.vocals, other.vocals)
        assert one.vocals.dtype == np.int16
        assert one.vocals.shape == one.accompaniment.shape
    assert (first[0].accompaniment != first[1].accompaniment).any()


def test_songs_of_another_length_are_not_taken_from_the_cache(tmp_path):
    (short,), (long,) = _generated(tmp_path), _generated(tmp_path, duration_s=3.0)
    assert long.vocals.shape[1] > short.vocals.shape[1]


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_generated_songs_have_the_models_rate(tmp_path, rate_hz):
    """A pool for a codec of 16 kHz must not hold songs of 44.1 kHz."""
    (song,) = _generated(tmp_path, rate_hz=rate_hz)
    assert song.vocals.shape[1] == pytest.approx(2 * rate_hz, rel=0.02)


def test_a_song_that_was_cut_off_is_generated_anew(tmp_path):
    _generated(tmp_path)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.rename(file.with_suffix(".part.npy"))
    file.with_suffix(".part.npy").write_bytes(whole[:1_000])
    _generated(tmp_path)
    assert file.read_bytes() == whole


def test_int16_is_used_to_its_full_scale():
    loud = np.array([[1.0, -1.0, 0.5], [2.0, -2.0, 0.0]])
    assert module._to_pcm(loud).tolist() == [[32_767, -32_767, 16_384], [32_767, -32_767, 0]]
    assert crop(pcm_noise(0, 5), 5, np.random.default_rng(0)).dtype == np.float32
