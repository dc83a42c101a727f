from dataclasses import replace

import numpy as np
import pytest
from true_songs import RATE_HZ, true_song

from latentsep.evaluation.scoring import (
    BSSEVAL,
    ScoreOptions,
    metric_names,
    realtime_factors,
    score_song,
    score_songs,
)
from latentsep.evaluation.systems import Estimate, by_vocals, mixture_as_it_is


class Source:
    """A song in memory."""

    def __init__(self, song):
        self.song = song
        self.name = song.name

    def load(self):
        return self.song


def truth(song, gain=1.0):
    return Estimate(np.float32(gain) * song.vocals, np.float32(gain) * song.accompaniment)


def values_of(song, system, **options):
    return score_song(song, {"fake": system}, ScoreOptions(**options)).scores[0].values


def test_the_truth_times_nine_tenths_scores_20_db():
    one = true_song()
    values = values_of(one, lambda song: truth(song, 0.9))
    assert list(values) == metric_names()
    for stem in ("vocals", "accompaniment"):
        assert values[f"{stem}_sdr_db"] == pytest.approx(20, abs=1e-3)
        # A gain is no error to SI-SDR; float32 has about 140 dB.
        assert values[f"{stem}_si_sdr_db"] > 100
        assert values[f"{stem}_mr_stft"] == pytest.approx(0.1 - np.log(0.9), abs=1e-3)
        # The true stems are rounded to 16 bits for these.
        assert values[f"{stem}_bss_sdr_db"] == pytest.approx(20, abs=0.01)
        assert values[f"{stem}_bss_isr_db"] == pytest.approx(20, abs=0.01)
        assert values[f"{stem}_bss_sir_db"] > 60
        assert values[f"{stem}_bss_sar_db"] > 60


def test_the_mixture_stands_for_either_stem():
    values = values_of(true_song(), mixture_as_it_is)
    for stem in ("vocals", "accompaniment"):
        # The error is the other stem, as strong as this one.
        assert values[f"{stem}_sdr_db"] == pytest.approx(0, abs=0.3)
        assert values[f"{stem}_bss_sir_db"] == pytest.approx(0, abs=2)
        assert values[f"{stem}_bss_sar_db"] > 60


def test_every_system_is_scored_on_every_song_in_order():
    systems = {"a": mixture_as_it_is, "b": truth}
    sources = [Source(true_song("x")), Source(true_song("y"))]
    songs = list(score_songs(sources, systems, ScoreOptions()))
    rows = [row for song in songs for row in song.rows()]
    pairs = [(row["song"], row["system"]) for row in rows]
    assert pairs == [("x", "a"), ("x", "b"), ("y", "a"), ("y", "b")]
    assert {row["duration_s"] for row in rows} == {1.0}
    assert all(metric in rows[0] for metric in metric_names())


def test_scores_come_song_by_song_without_reading_ahead():
    def sources():
        yield Source(true_song("x"))
        pytest.fail("read ahead")

    scored = score_songs(sources(), {"a": mixture_as_it_is}, ScoreOptions())
    assert next(scored).song == "x"


def test_silent_vocals_leave_undefined_what_needs_them():
    values = values_of(true_song(vocals_gain=0.0), mixture_as_it_is)
    undefined = {name for name, value in values.items() if value is None}
    assert undefined == {
        *("vocals_sdr_db", "vocals_si_sdr_db", "vocals_mr_stft", "vocals_in_silence_db"),
        # BSSEval knows no frame in which one stem is silent.
        *(name for name in metric_names() if "_bss_" in name),
    }


def test_seconds_in_which_a_stem_is_silent_are_counted_and_left_out():
    one = true_song(samples=4 * RATE_HZ)
    one.vocals[:, : 2 * RATE_HZ] = 0
    score = score_song(one, {"a": lambda song: truth(song, 0.9)}, ScoreOptions()).scores[0]
    assert (score.bss_frames, score.bss_undefined_frames) == (4, 2)
    assert score.values["vocals_bss_sdr_db"] == pytest.approx(20, abs=0.01)
    assert score.values["vocals_in_silence_db"] == -120


def test_bsseval_hears_the_excerpt_and_the_rest_hears_the_song():
    one = true_song(samples=6 * RATE_HZ)
    one.vocals[:, : 3 * RATE_HZ] = 0

    def good_in_the_excerpt(song):
        vocals = song.vocals.copy()
        vocals[:, : 3 * RATE_HZ] += 0.3
        return Estimate(np.float32(0.9) * vocals, np.float32(0.9) * song.accompaniment)

    scored = score_song(one, {"a": good_in_the_excerpt}, ScoreOptions(excerpt_s=3))
    values = scored.scores[0].values
    assert scored.excerpt_start_s == 3
    assert values["vocals_bss_sdr_db"] == pytest.approx(20, abs=0.01)
    assert values["vocals_sdr_db"] < 1
    whole = score_song(one, {"a": good_in_the_excerpt}, ScoreOptions(excerpt_s=None))
    assert (whole.excerpt_start_s, whole.scores[0].bss_frames) == (0, 6)


def test_museval_itself_gives_the_same_values():
    one = true_song(samples=2 * RATE_HZ, channels=1)
    dull = by_vocals(lambda mixture, rate: np.float32(0.6) * mixture)
    fast, slow = (values_of(one, dull, bsseval=kind) for kind in BSSEVAL)
    for name in metric_names():
        # Rounding of the true stems decides how large the artefacts of a clean sum are.
        assert fast[name] == pytest.approx(slow[name], abs=1e-3), name


def test_true_stems_are_rounded_to_16_bits_where_a_band_holds_nothing_else():
    """Filters would make anything of what floats leave above the band of a decoded stem."""
    one = true_song(samples=2 * RATE_HZ)
    spectra = np.fft.rfft(np.stack([one.vocals, one.accompaniment]).astype(float))
    spectra[..., spectra.shape[-1] // 2 :] = 0
    vocals, accompaniment = np.fft.irfft(spectra).astype(np.float32)
    low = replace(one, vocals=vocals, accompaniment=accompaniment, mixture=vocals + accompaniment)
    values = values_of(low, lambda song: truth(song, 0.9))
    assert values["vocals_bss_sir_db"] > 40


def test_speed_is_that_of_one_run_on_a_minute_at_most():
    lengths = []

    def system(song):
        lengths.append(song.duration_s)
        return mixture_as_it_is(song)

    long = true_song(samples=70 * RATE_HZ, channels=1)
    assert realtime_factors(long, {"a": system})["a"] > 0
    assert lengths == [5, 60]
    realtime_factors(true_song(), {"a": system})
    assert lengths[2:] == [1, 1]
