import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import RATE_HZ
from tiny_training import pcm_noise, random_song, tiny_pool

from latentsep.errors import ConfigError
from latentsep.training.config import DataConfig
from latentsep.training.mixing import Mixer, PoolPlaces, StemPool, load_pool
from latentsep.training.stems import TrainingSong

CROP_SAMPLES = 600
NEVER_SILENT = {"silent_vocals_share": 0.0, "silent_accompaniment_share": 0.0}
ALL_POOL = tiny_pool(
    generated=[random_song(2)],
    loose_vocals=[pcm_noise(10, 300), pcm_noise(11, 3_000)],
    loose_accompaniment=[pcm_noise(12, 200)],
    impulse_responses=[pcm_noise(13, 50)],
)


def _mixer(pool=ALL_POOL, crop_samples=CROP_SAMPLES, **config):
    return Mixer(pool, DataConfig(**config), crop_samples, RATE_HZ)


def _rms(waveform):
    return float(np.sqrt(np.mean(np.square(waveform))))


@given(seed=st.integers(0, 2**32 - 1), remix=st.sampled_from([0.0, 0.5, 1.0]))
def test_examples_are_finite_pairs_of_the_crops_length(seed, remix):
    rng = np.random.default_rng(seed)
    vocals, accompaniment = _mixer(remix_share=remix).batch(3, rng)
    for stems in (vocals, accompaniment):
        assert stems.shape == (3, 2, CROP_SAMPLES)
        assert stems.dtype == np.float32
        assert np.isfinite(stems).all()


def test_the_generator_decides_the_examples_and_nothing_else_does():
    first = _mixer().batch(5, np.random.default_rng(1))
    np.random.seed(3)  # noqa: NPY002 - the global generator must not matter
    again = _mixer().batch(5, np.random.default_rng(1))
    np.testing.assert_array_equal(first, again)
    assert (np.asarray(_mixer().batch(5, np.random.default_rng(2))) != first).any()


@pytest.mark.parametrize("name", ["vocals", "accompaniment"])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_silent_shares_are_honoured(name, share):
    config = {**NEVER_SILENT, f"silent_{name}_share": share}
    stems = _mixer(**config).batch(400, np.random.default_rng(0))
    silent = {
        stem: np.mean([not piece.any() for piece in pieces])
        for stem, pieces in zip(("vocals", "accompaniment"), stems, strict=True)
    }
    assert silent.pop(name) == pytest.approx(share, abs=0.07 if 0 < share < 1 else 0)
    assert set(silent.values()) == {0.0}


def test_a_song_without_vocals_makes_no_example_of_pure_silence():
    """What is said of a pair: at most one of the two is silent."""
    pool = StemPool([TrainingSong("instrumental", None, pcm_noise(0, 3_000))], [])
    mixer = _mixer(pool, silent_accompaniment_share=0.5, silent_vocals_share=0.0)
    vocals, accompaniment = mixer.batch(100, np.random.default_rng(0))
    loud = np.abs(vocals).max(axis=(1, 2)) + np.abs(accompaniment).max(axis=(1, 2))
    assert (loud > 0).all()


def test_remixed_vocals_have_the_wanted_level_over_the_accompaniment():
    mixer = _mixer(remix_share=1.0, vocals_gain_db=(6.0, 0.0), loose_share=0.0, **NEVER_SILENT)
    vocals, accompaniment = mixer.batch(20, np.random.default_rng(0))
    for voice, rest in zip(vocals, accompaniment, strict=True):
        assert 20 * np.log10(_rms(voice) / _rms(rest)) == pytest.approx(6.0, abs=0.05)


@pytest.mark.parametrize("song_samples", [300, 599, 600, 601, 5_000])
def test_without_a_remix_both_stems_are_of_one_moment(song_samples):
    """Vocals and accompaniment that are equal stay equal, but for the gain."""
    stem = pcm_noise(0, song_samples)
    pool = StemPool([TrainingSong("song", stem, stem)], [])
    mixer = _mixer(pool, remix_share=0.0, **NEVER_SILENT)
    rng = np.random.default_rng(0)
    for _ in range(10):
        vocals, accompaniment = mixer.example(rng)
        both = np.corrcoef(vocals.ravel(), accompaniment.ravel())[0, 1]
        assert abs(both) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("vocals_samples", "rest_samples"), [(300, 700), (700, 300)])
def test_stems_of_unequal_length_start_together(vocals_samples, rest_samples):
    longer = pcm_noise(0, 700)
    song = TrainingSong("song", longer[:, :vocals_samples], longer[:, :rest_samples])
    mixer = _mixer(StemPool([song], []), remix_share=0.0, **NEVER_SILENT)
    rng = np.random.default_rng(0)
    for _ in range(10):
        vocals, accompaniment = mixer.example(rng)
        sounding = (vocals != 0) & (accompaniment != 0)
        both = np.corrcoef(vocals[sounding], accompaniment[sounding])[0, 1]
        assert abs(both) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("missing", ["vocals", "accompaniment"])
def test_a_song_with_one_stem_is_drawn_from_everywhere(missing):
    stems = {"vocals": pcm_noise(0, 5_000), "accompaniment": pcm_noise(1, 5_000), missing: None}
    mixer = _mixer(StemPool([TrainingSong("half", **stems)], []), remix_share=0.0, **NEVER_SILENT)
    rng = np.random.default_rng(0)
    pairs = [mixer.example(rng) for _ in range(8)]
    shapes = set()
    for pair in pairs:
        piece = pair[0] + pair[1]
        # The same piece again would differ by its gain, its sign and its sides alone.
        shapes.add(int(np.abs(piece).max(axis=0).argmax()))
    assert len(shapes) > 4


def test_a_pool_without_songs_is_refused():
    with pytest.raises(ConfigError, match="song"):
        _mixer(StemPool([], [], loose_vocals=[pcm_noise(0, 3_000)]))


def test_a_pool_is_read_from_its_folders(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("songs/one/vocals", "songs/one/bass", "loose/a", "loose/b", "rooms/hall"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        noise = 0.1 * rng.standard_normal((900, 2))
        soundfile.write(tmp_path / f"{name}.wav", noise, RATE_HZ)
    config = DataConfig(
        songs=["songs/one"],
        vocals=["loose/a*"],
        accompaniment=["loose/*.wav"],
        impulse_responses=["rooms/*"],
    )
    pool = load_pool(config, PoolPlaces(tmp_path, tmp_path / "cache", RATE_HZ, seed=0, workers=1))
    assert pool.describe() == (
        "recorded_songs=1 generated_songs=0 loose_vocals=1 loose_accompaniment=2 "
        "impulse_responses=1"
    )
    vocals, _ = Mixer(pool, config, CROP_SAMPLES, RATE_HZ).batch(2, rng)
    assert vocals.any()


@pytest.mark.parametrize("share", ["noise_share", "lossy_share"])
def test_what_wears_a_mixture_leaves_its_vocals_clean(share):
    """The same draws with and without: the accompaniment differs, the vocals do not."""
    crop_samples = 4_000
    pool = tiny_pool(generated=[random_song(2)])
    clean_vocals, clean_rest = _mixer(pool, crop_samples, **NEVER_SILENT).example(
        np.random.default_rng(7)
    )
    worn = _mixer(pool, crop_samples, **NEVER_SILENT, **{share: 1.0})
    vocals, rest = worn.example(np.random.default_rng(7))
    np.testing.assert_array_equal(vocals, clean_vocals)
    assert 0 < _rms(rest - clean_rest) < _rms(clean_vocals + clean_rest)
