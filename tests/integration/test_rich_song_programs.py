"""Rich songs with the programs and the soundfont themselves."""

import re
import subprocess

import numpy as np
import pytest

from latentsep.training.config import DataConfig
from latentsep.training.rich_songs import generate_song
from latentsep.training.rich_songs.instruments import CHORDS, KITS, LEADS, play
from latentsep.training.rich_songs.lexicon import LANGUAGES
from latentsep.training.rich_songs.midi import Part
from latentsep.training.rich_songs.speech import VARIANTS
from latentsep.training.songs.harmony import Note
from latentsep.training.stems import PCM_SCALE, generated_songs

pytestmark = pytest.mark.integration

RATE_HZ = 44_100


def _espeak(*arguments):
    return subprocess.run(
        ["espeak-ng", *arguments], check=True, capture_output=True, text=True, timeout=60
    ).stdout


def test_espeak_has_every_language_and_every_throat():
    voices = [line.split() for line in _espeak("--voices").splitlines()]
    assert set(LANGUAGES) <= {row[1] for row in voices}
    throats = set(re.findall(r"!v/(\S+)", _espeak("--voices=variant")))
    assert set(VARIANTS.split()) <= throats


@pytest.mark.parametrize("program", [CHORDS[0], LEADS[-1]])
def test_an_instrument_plays_the_note_it_is_given(program):
    sound = play(Part(program, (Note(0.5, 1.0, 69.0, 0.9),)), 2 * RATE_HZ).mean(axis=0)
    assert not sound[: RATE_HZ // 3].any()
    spectrum = np.abs(np.fft.rfft(sound[RATE_HZ // 2 : RATE_HZ * 3 // 2]))
    partials = [spectrum[k * 440 - 12 : k * 440 + 13].sum() for k in (1, 2, 3)]
    between = [spectrum[k * 440 + 208 : k * 440 + 233].sum() for k in (1, 2, 3)]
    assert sum(partials) > 5 * sum(between)


@pytest.mark.parametrize("kit", KITS)
def test_every_kit_has_a_kick_and_a_snare(kit):
    for drum in (36.0, 38.0):
        assert play(Part(kit, (Note(0.0, 0.2, drum, 1.0),), percussion=True), RATE_HZ).any()


def test_a_pool_of_rich_songs_is_made_once_and_apart_from_the_plain_ones(tmp_path):
    rich = DataConfig(generated_songs={"rich": 1}, generated_song_s=4.0)
    (song,) = generated_songs(rich, RATE_HZ, tmp_path, seed=3, workers=1)
    (file,) = tmp_path.iterdir()
    assert file.name == "rich-song-3-4s-44100hz-00000.npy"
    made = file.stat().st_mtime_ns
    (again,) = generated_songs(rich, RATE_HZ, tmp_path, seed=3, workers=1)
    assert file.stat().st_mtime_ns == made
    np.testing.assert_array_equal(again.vocals, song.vocals)
    plain = DataConfig(generated_songs={"plain": 1}, generated_song_s=4.0)
    (other,) = generated_songs(plain, RATE_HZ, tmp_path, seed=3, workers=1)
    assert (other.accompaniment != song.accompaniment).any()
    expected = generate_song(np.random.default_rng((3, 0)), 4.0)
    for stem, pcm in ((expected.vocals, song.vocals), (expected.accompaniment, song.accompaniment)):
        assert stem.any()
        np.testing.assert_allclose(pcm / PCM_SCALE, stem, atol=1 / PCM_SCALE)
