import dataclasses

import numpy as np
import pytest
from tiny_models import RATE_HZ, ChunkwideNetwork, chunkwide_config, noise_waveform, tiny_model
from true_songs import true_song

from latentsep.denoisers import NETWORKS
from latentsep.evaluation import song_check as module
from latentsep.evaluation.song_check import SongCheck, check_song, check_songs
from latentsep.evaluation.songs import TrueSong
from latentsep.models.model import Model
from latentsep.separation.options import SeparationOptions
from latentsep.separation.separator import Separator
from latentsep.separation.session import TrackSession
from latentsep.separation.stems import Stems


class Made:
    """A song that is there already."""

    def __init__(self, song):
        self.song = song
        self.name = song.name

    def load(self):
        return self.song


LONG_CHUNKS = {"frames": 256, "context_frames": 40}
"""Or else borders lie so near to each other that there is no place without one."""


@pytest.fixture
def separator():
    return Separator(tiny_model(chunk=LONG_CHUNKS), SeparationOptions())


def _song(samples=10 * RATE_HZ, rests=True):
    vocals = noise_waveform(1, samples)
    if rests:
        vocals[:, : samples // 2] = 0
    accompaniment = noise_waveform(2, samples)
    return TrueSong("song", RATE_HZ, vocals + accompaniment, vocals, accompaniment)


def test_a_local_model_has_nothing_wrong_with_it(separator):
    check = check_song(_song(), separator)
    assert check.passed
    assert check.finite
    assert check.borders >= 3
    assert check.flux_percent == pytest.approx(0, abs=0.01)
    assert abs(check.elsewhere_percent) < 20
    # The weights are random: as loud in the rests as elsewhere.
    assert -20 < check.in_silence_db < 20


def test_what_is_heard_in_silence_is_measured(separator, monkeypatch):
    song = _song()
    monkeypatch.setattr(separator, "separate", lambda mixture, rate_hz: Stems(mixture, mixture))
    # The band is as loud as the voice.
    assert check_song(song, separator).in_silence_db == pytest.approx(0, abs=0.2)


def test_a_click_at_every_border_is_found(separator, monkeypatch):
    whole = separator.separate

    def clicking(mixture, rate_hz):
        stems = whole(mixture, rate_hz)
        for border in module._borders(separator.plan, mixture.shape[1]):
            stems.vocals[:, border] += 5.0
        return stems

    monkeypatch.setattr(separator, "separate", clicking)
    check = check_song(_song(), separator)
    assert check.finite
    assert check.flux_percent > 2
    assert not check.passed


def test_a_song_that_the_model_makes_nan_of_is_told_and_the_next_one_is_checked(
    separator, monkeypatch
):
    accept = TrackSession.accept
    broken = []

    def breaking(session, vocals):
        if not broken:
            broken.append(True)
            vocals = dataclasses.replace(vocals, vocals=vocals.vocals * np.nan)
        accept(session, vocals)

    monkeypatch.setattr(TrackSession, "accept", breaking)
    first, second = check_songs([Made(_song()), Made(_song())], separator, None)
    assert first == SongCheck("song", 10.0, finite=False)
    assert not first.passed
    assert second.passed


def test_a_model_that_is_not_local_is_compared_as_well(monkeypatch):
    monkeypatch.setitem(NETWORKS, "chunkwide", ChunkwideNetwork)
    separator = Separator(Model(chunkwide_config()).eval(), SeparationOptions())
    check = check_song(_song(), separator)
    assert check.finite
    assert check.flux_percent is not None
    assert check.flux_percent != 0


def test_the_middle_of_a_song_is_checked_where_less_is_wanted(separator):
    (check,) = check_songs([Made(_song())], separator, 3.0)
    assert check.duration_s == 3
    (check,) = check_songs([Made(_song())], separator, 100.0)
    assert check.duration_s == 10


def test_a_song_without_rests_and_a_short_one_have_less_to_tell(separator):
    assert check_song(_song(rests=False), separator).in_silence_db is None
    check = check_song(true_song(samples=1_000), separator)
    assert (check.borders, check.flux_percent, check.passed) == (0, None, True)
