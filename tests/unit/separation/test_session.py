import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import difference_db, noise_waveform

from latentsep.errors import NonFiniteAudioError
from latentsep.separation.noise import TrackNoise
from latentsep.separation.plan import WindowPlan
from latentsep.separation.session import TrackSession
from latentsep.separation.windows import WindowVocals

MODEL_RATE_HZ = 44_100
RATES_HZ = [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000]
PLAN = WindowPlan(
    hop_samples=16,
    extra_frames=1,
    stride_frames=2,
    chunk_frames=40,
    context_frames=4,
    window_chunks=2,
    level_frames=2,
    rim_frames=4,
    step_frames=0,
)


def _session(rate_hz=MODEL_RATE_HZ, channels=2):
    return TrackSession(PLAN, MODEL_RATE_HZ, rate_hz, channels, TrackNoise(0, "", 1))


def _core(window):
    return window.mixture[:, PLAN.halo_samples : PLAN.halo_samples + PLAN.core_samples]


def _advance(session):
    """Take the mixture for the vocals; what comes out must be what went in."""
    for window in session.windows():
        session.accept(WindowVocals(_core(window)))
    return list(session.stems())


def _through(session, blocks):
    stems = []
    for block in blocks:
        session.push(block)
        stems += _advance(session)
    session.finish()
    stems += _advance(session)
    assert session.done
    return (
        np.concatenate([piece.mixture for piece in stems], axis=1),
        np.concatenate([piece.vocals for piece in stems], axis=1),
    )


@given(samples=st.integers(1, 5_000), cuts=st.lists(st.integers(0, 5_000), max_size=8))
def test_at_the_models_rate_the_same_bits_come_out(samples, cuts):
    track = noise_waveform(0, samples)
    blocks = np.split(track, sorted(min(cut, samples) for cut in cuts), axis=1)
    mixture, vocals = _through(_session(), blocks)
    np.testing.assert_array_equal(mixture, track)
    np.testing.assert_array_equal(vocals, track)


@settings(max_examples=60)
@given(
    rate_hz=st.sampled_from(RATES_HZ),
    channels=st.sampled_from([1, 2, 6]),
    samples=st.integers(1, 9_000),
    cuts=st.lists(st.integers(0, 9_000), max_size=8),
)
def test_any_cutting_gives_the_same_bits_and_the_exact_length(rate_hz, channels, samples, cuts):
    track = noise_waveform(1, samples, channels)
    _, at_once = _through(_session(rate_hz, channels), [track])
    blocks = np.split(track, sorted(min(cut, samples) for cut in cuts), axis=1)
    mixture, vocals = _through(_session(rate_hz, channels), blocks)
    np.testing.assert_array_equal(mixture, track)
    np.testing.assert_array_equal(vocals, at_once)
    assert vocals.shape == track.shape


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_the_way_to_the_models_rate_and_back_neither_delays_nor_changes(rate_hz):
    time_s = np.arange(rate_hz // 4) / rate_hz
    tone = np.sin(2 * np.pi * 440 * time_s) * np.hanning(len(time_s))
    track = np.stack([tone, -tone]).astype(np.float32)
    _, vocals = _through(_session(rate_hz), [track])
    assert difference_db(vocals, track) < -90


@given(samples=st.integers(1, 5_000))
def test_windows_follow_each_other_by_their_cores(samples):
    session = _session()
    session.push(noise_waveform(2, samples))
    session.finish()
    windows = list(session.windows())
    assert len(windows) == session.total_windows == -(-samples // PLAN.core_samples)
    assert [w.first_frame for w in windows] == [k * PLAN.core_hops for k in range(len(windows))]
    assert all(w.mixture.shape == (2, PLAN.window_samples) for w in windows)
    cores = torch.cat([_core(window) for window in windows], dim=1)
    np.testing.assert_array_equal(cores[:, :samples], noise_waveform(2, samples))
    assert not cores[:, samples:].any()
    assert not list(session.windows())


def test_a_window_is_given_out_as_soon_as_it_is_complete_and_not_before():
    session = _session()
    needed = PLAN.window_samples - PLAN.halo_samples
    session.push(noise_waveform(3, needed - 1))
    assert not list(session.windows())
    session.push(noise_waveform(4, 1))
    assert len(list(session.windows())) == 1
    assert session.total_windows is None
    assert not session.done


def test_a_long_track_is_not_kept():
    session = _session()
    held = []
    for number in range(100):
        session.push(noise_waveform(number, 1_000))
        _advance(session)
        held += [
            sum(block.shape[1] for _, block in buffer._blocks)
            for buffer in (session._mixture, session._source)
        ]
    assert max(held) <= PLAN.window_samples + 3 * 1_000


def test_a_track_without_samples_has_no_windows_and_no_stems():
    session = _session(48_000)
    session.finish()
    assert session.total_windows == 0
    assert session.done
    assert not list(session.windows())
    assert not list(session.stems())


@pytest.mark.parametrize("shape", [(1, 10), (3, 10), (10,), (1, 2, 10)])
def test_a_block_of_other_channels_is_refused_with_its_shape(shape):
    with pytest.raises(ValueError, match=r"2 channels .* got shape \("):
        _session().push(np.zeros(shape, np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_source_is_never_silently_repaired(value):
    session = _session()
    session.push(np.zeros((2, 300), np.float32))
    block = np.zeros((2, 10), np.float32)
    block[1, 7] = value
    with pytest.raises(NonFiniteAudioError, match="after sample 300"):
        session.push(block)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_what_a_model_invents_is_refused_with_its_place(value):
    session = _session()
    session.push(np.zeros((2, 3 * PLAN.core_samples), np.float32))
    session.finish()
    first, second, _ = session.windows()
    session.accept(WindowVocals(_core(first)))
    vocals = _core(second).clone()
    vocals[0, 5] = value
    start_s = PLAN.core_samples / MODEL_RATE_HZ
    with pytest.raises(NonFiniteAudioError, match=f"window at {start_s:.1f} s"):
        session.accept(WindowVocals(vocals))


def test_the_spread_is_that_of_the_whole_track_and_not_the_mean_of_windows():
    session = _session()
    session.push(np.zeros((2, 2 * PLAN.core_samples), np.float32))
    session.finish()
    assert session.draw_spread_db is None
    energies = [(1.0, 10.0), (0.0, 90.0)]
    for window, (spread, energy) in zip(session.windows(), energies, strict=True):
        session.accept(WindowVocals(_core(window), spread, energy))
    assert session.draw_spread_db == pytest.approx(-20.0)


@pytest.mark.parametrize("energies", [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0)])
def test_a_spread_without_draws_or_sound_is_undefined(energies):
    session = _session()
    session.push(np.zeros((2, 10), np.float32))
    session.finish()
    (window,) = session.windows()
    session.accept(WindowVocals(_core(window), *energies))
    assert session.draw_spread_db is None
