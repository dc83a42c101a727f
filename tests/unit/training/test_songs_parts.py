import itertools
from dataclasses import replace

import numpy as np
import pytest

from latentsep.training.songs import effects
from latentsep.training.songs.articulation import Manner, Score
from latentsep.training.songs.drums import LEVELS_DB
from latentsep.training.songs.harmony import (
    Note,
    diatonic_shift,
    phrases,
    random_plan,
    vocal_style,
)
from latentsep.training.songs.instruments import KINDS, play_note, random_patch
from latentsep.training.songs.phonemes import syllable
from latentsep.training.songs.singer import random_singer
from latentsep.training.songs.voice import render

RATE_HZ = 44_100
HOP = 256


def _rng(seed=0):
    return np.random.default_rng(seed)


def _peak_hz(signal):
    spectrum = np.abs(np.fft.rfft(signal * np.hanning(len(signal))))
    return np.argmax(spectrum) * RATE_HZ / len(signal)


def _f0_hz(signal):
    size = 4 * len(signal)
    energy = np.abs(np.fft.rfft(signal - signal.mean(), size)) ** 2
    lags = np.fft.irfft(energy)[: len(signal) // 2]
    low, high = RATE_HZ // 1000, RATE_HZ // 60
    return RATE_HZ / (low + np.argmax(lags[low:high]))


def test_melodies_stay_in_key_and_inside_the_audio():
    for seed in range(20):
        rng = _rng(seed)
        plan = random_plan(rng, 12.0)
        notes = [n for p in phrases(rng, plan, vocal_style(rng, 55, 70)) for n in p]
        key = {(plan.root_midi + s) % 12 for s in plan.scale}
        assert all(n.pitch_midi % 12 in key for n in notes)
        assert all(0 <= n.start_s < 12.0 for n in notes)


def test_chords_cover_the_audio_without_gaps():
    plan = random_plan(_rng(1), 10.0)
    spans = plan.chord_spans()
    assert spans[0][0] <= 0
    assert spans[-1][1] >= 10.0
    for (_, end_s, _), (start_s, _, _) in itertools.pairwise(spans):
        assert start_s == pytest.approx(end_s)


def test_a_third_above_the_root_is_the_scale_third():
    plan = random_plan(_rng(2), 4.0)
    assert diatonic_shift(plan, plan.root_midi, 2) == plan.scale[2]


def test_syllables_are_ordered_spans_around_the_beat():
    for seed in range(50):
        spans = syllable(_rng(seed), 1.0, 0.5, 1.0)
        assert all(s.end_s > s.start_s for s in spans)
        assert all(a.end_s == pytest.approx(b.start_s) for a, b in itertools.pairwise(spans))
        assert spans[0].start_s > 0.5
        assert spans[-1].end_s <= 1.5 + 1e-9


@pytest.mark.parametrize("pitch_midi", [45.0, 57.0, 69.0])
def test_the_voice_sings_the_written_pitch(pitch_midi):
    rng = _rng(5)
    singer = replace(
        random_singer(rng),
        clarity=0.0,
        growl=0.0,
        vibrato_cents=0.0,
        drift_cents=0.0,
        jitter_cents=0.0,
        breath=0.001,
        phase_noise=0.0,
    )
    n_samples = 2 * RATE_HZ
    score = Score(rng, singer, Manner(quantised=True), n_samples // HOP + 2, RATE_HZ / HOP)
    score.add_phrase([Note(0.2, 1.7, pitch_midi, 0.8), Note(1.9, 0.1, pitch_midi, 0.8)])
    voice = render(rng, singer, score.finish(HOP), n_samples, RATE_HZ)
    expected_hz = 440 * 2 ** ((pitch_midi - 69) / 12)
    found_hz = _f0_hz(voice[RATE_HZ // 2 : RATE_HZ])
    assert 1200 * abs(np.log2(found_hz / expected_hz)) < 40
    assert np.max(np.abs(voice[: RATE_HZ // 10])) < 0.05 * np.max(np.abs(voice))


@pytest.mark.parametrize("kind", KINDS)
def test_every_instrument_sounds_and_ends_quietly(kind):
    rng = _rng(7)
    for _ in range(3):
        tone = play_note(rng, random_patch(rng, kind), Note(0, 0.5, 60, 0.8), RATE_HZ)
        assert np.isfinite(tone).all()
        assert np.max(np.abs(tone)) > 0.01
        assert abs(tone[-1]) < 1e-3


@pytest.mark.parametrize("name", sorted(LEVELS_DB))
def test_every_drum_starts_at_once_and_dies_away(name):
    maker = LEVELS_DB[name][0]
    for seed in range(4):
        hit = maker(_rng(seed), RATE_HZ)
        assert np.isfinite(hit).all()
        assert np.sum(hit[: len(hit) // 2] ** 2) > 2 * np.sum(hit[len(hit) // 2 :] ** 2)


def test_a_flat_equaliser_changes_nothing():
    sound = effects.noise(_rng(), (2, 30_001))
    np.testing.assert_allclose(
        effects.equalise(sound, [100.0, 1000.0], [0.0, 0.0], RATE_HZ), sound, atol=1e-5
    )


def test_an_equaliser_gives_the_gain_asked_for():
    time_s = np.arange(RATE_HZ) / RATE_HZ
    tone = np.sin(2 * np.pi * 3000 * time_s)[None].astype(np.float32)
    louder = effects.equalise(tone, [500.0, 1500.0, 6000.0], [0.0, 6.0, 6.0], RATE_HZ)
    inner = slice(4000, -4000)
    gain_db = 20 * np.log10(effects.rms(louder[:, inner]) / effects.rms(tone[:, inner]))
    assert gain_db == pytest.approx(6.0, abs=0.1)


def test_convolution_matches_numpy():
    sound, impulse = effects.noise(_rng(1), (2, 500)), effects.noise(_rng(2), (2, 40))
    expected = [np.convolve(s, i)[:500] for s, i in zip(sound, impulse, strict=True)]
    np.testing.assert_allclose(effects.convolve(sound, impulse), expected, atol=1e-4)


def test_reverb_decays_by_sixty_decibels_in_about_its_time():
    impulse = effects.reverb_impulse(_rng(3), 1.0, RATE_HZ)
    early = effects.rms(impulse[:, 4000:8000])
    late = effects.rms(impulse[:, 40_000:44_000])
    assert -75 < 20 * np.log10(late / early) < -35


def test_panning_keeps_power_and_sides():
    mono = effects.noise(_rng(4), 1000)
    for position in (-1.0, -0.3, 0.0, 0.8):
        stereo = effects.pan(mono, position)
        assert np.sum(stereo**2) == pytest.approx(np.sum(mono**2), rel=1e-4)
    assert effects.rms(effects.pan(mono, -1.0)[1]) < 1e-6


def test_a_compressor_narrows_the_range_of_levels():
    loud, soft = effects.noise(_rng(5), (2, 40_000)), 0.05 * effects.noise(_rng(6), (2, 40_000))
    sound = np.concatenate([soft, loud], axis=1)
    pressed = effects.compress(sound, -10.0, 4.0, 0.01, RATE_HZ)
    before = effects.rms(sound[:, 50_000:]) / effects.rms(sound[:, :30_000])
    after = effects.rms(pressed[:, 50_000:]) / effects.rms(pressed[:, :30_000])
    assert after < 0.7 * before
