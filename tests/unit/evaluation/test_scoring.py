import numpy as np
import pytest
from tiny_models import noise_waveform, tiny_model

from latentsep.evaluation.scoring import (
    Score,
    Summary,
    codec_ceiling,
    model_system,
    reference_systems,
    score,
    summarise,
)
from latentsep.separation.separator import Separator
from latentsep.training.song_folder import ReferenceSong

RATE_HZ = 8_000


def song(name="song", vocals_gain=1.0, samples=RATE_HZ):
    vocals = vocals_gain * noise_waveform(1, samples)
    accompaniment = noise_waveform(2, samples)
    return ReferenceSong(name, RATE_HZ, vocals.astype(np.float32), accompaniment)


def scores(systems, *songs):
    return list(score(songs, systems))


def test_the_truth_times_nine_tenths_scores_20_db():
    one = song()
    (row,) = scores({"fake": lambda song: np.float32(0.9) * song.vocals}, one)
    assert (row.song, row.system) == ("song", "fake")
    assert row.vocals_sdr_db == pytest.approx(20, abs=1e-3)
    # A gain is no error to SI-SDR; float32 has about 140 dB.
    assert row.vocals_si_sdr_db > 100
    # The error is the same, the reference is the accompaniment.
    power_db = 10 * np.log10(np.sum(one.accompaniment**2.0) / np.sum(one.vocals**2.0))
    assert row.accompaniment_sdr_db == pytest.approx(20 + power_db, abs=1e-2)
    assert row.realtime_factor > 0


def test_the_mixture_is_the_sum_of_the_stems_and_scores_like_it():
    one = song()
    np.testing.assert_array_equal(one.mixture, one.vocals + one.accompaniment)
    (row,) = scores({"fake": lambda song: song.mixture}, one)
    # The error is the accompaniment, as strong as the vocals; nothing is left for it.
    assert row.vocals_sdr_db == pytest.approx(0, abs=0.3)
    assert row.accompaniment_sdr_db == pytest.approx(0, abs=1e-4)


def test_every_system_is_scored_on_every_song_in_order():
    systems = {"a": lambda song: song.mixture, "b": lambda song: 0 * song.mixture}
    rows = scores(systems, song("x"), song("y"))
    pairs = [(row.song, row.system) for row in rows]
    assert pairs == [("x", "a"), ("x", "b"), ("y", "a"), ("y", "b")]


def test_scores_come_song_by_song_without_reading_ahead():
    def songs():
        yield song("x")
        pytest.fail("read ahead")

    assert next(score(songs(), {"a": lambda song: song.mixture})).song == "x"


def test_silent_vocals_have_no_score():
    (row,) = scores({"a": lambda song: song.mixture}, song(vocals_gain=0.0))
    assert (row.vocals_sdr_db, row.vocals_si_sdr_db) == (None, None)
    assert row.accompaniment_sdr_db is not None


def row(system, sdr_db, factor=1.0):
    return Score("song", system, sdr_db, sdr_db, 2.0, factor)


def test_medians_leave_out_the_undefined_and_count_them():
    rows = [row("a", 1.0), row("b", None), row("a", 5.0, 3.0), row("a", None, 2.0), row("b", None)]
    assert summarise(rows) == [
        Summary("a", 3, 1, 3.0, 3.0, 2.0, 2.0),
        Summary("b", 2, 2, None, None, 2.0, 1.0),
    ]


def test_no_scores_have_no_medians():
    assert summarise([]) == []


def test_the_references_are_the_mixture_and_a_classical_mask():
    one = song(samples=2 * RATE_HZ)
    rows = scores(reference_systems(), one)
    assert [row.system for row in rows] == ["mixture", "REPET-SIM"]
    assert all(row.vocals_sdr_db is not None for row in rows)


def test_a_separator_is_a_system():
    separator = Separator(tiny_model())
    one = song()
    expected = separator.separate(one.mixture, RATE_HZ).vocals
    np.testing.assert_array_equal(model_system(separator)(one), expected)


@pytest.mark.parametrize("channels", [1, 2])
def test_the_codec_alone_gives_back_what_its_band_holds(channels):
    model = tiny_model(codec={"name": "identity", "options": {"sample_rate_hz": RATE_HZ}})
    stem = noise_waveform(1, RATE_HZ + 7)[:channels]
    one = ReferenceSong("song", RATE_HZ, stem, np.zeros_like(stem))
    np.testing.assert_allclose(codec_ceiling(model)(one), stem, atol=1e-6)
