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
    local=True,
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
        session.accept(WindowVocals(_core(window), _energies(spread, energy)))
    assert session.draw_spread_db == pytest.approx(-20.0)


def _energies(spread, energy):
    """Those of a whole window, all in its first frame."""
    energies = torch.zeros(2, PLAN.core_hops, dtype=torch.float64)
    energies[:, 0] = torch.tensor([spread, energy])
    return energies


@settings(max_examples=20)
@given(rate_hz=st.sampled_from(RATES_HZ), seconds=st.floats(0.001, 2.5))
def test_there_is_a_spread_for_each_second_of_the_track_at_any_rate(rate_hz, seconds):
    samples = max(1, round(seconds * rate_hz))
    session = _session(rate_hz)
    session.push(np.zeros((2, samples), np.float32))
    session.finish()
    for window in session.windows():
        # 20 dB below in the first second, 40 dB in the second, and so on.
        at_s = (window.first_frame + np.arange(PLAN.core_hops)) * PLAN.hop_samples // MODEL_RATE_HZ
        spread = 10.0 ** (-2 * (1 + at_s))
        energies = np.stack([spread, np.ones_like(spread)])
        session.accept(WindowVocals(_core(window), torch.from_numpy(energies)))
    spreads_db = session.draw_spread_by_second_db
    assert len(spreads_db) == -(-samples // rate_hz)
    for second, spread_db in enumerate(spreads_db):
        # A last second may be too short for a frame of its own.
        assert spread_db == pytest.approx(-20 * (1 + second)) or spread_db is None
    assert None not in spreads_db[:-1]


def test_what_the_draws_say_after_the_end_of_a_track_does_not_count():
    session = _session()
    session.push(np.zeros((2, 10 * PLAN.hop_samples), np.float32))
    session.finish()
    (window,) = session.windows()
    energies = torch.ones(2, PLAN.core_hops, dtype=torch.float64)
    energies[0, 10:] = 1e9
    session.accept(WindowVocals(_core(window), energies))
    assert session.draw_spread_db == pytest.approx(0.0)


def test_a_single_draw_has_no_spread_in_any_second():
    session = _session()
    session.push(np.zeros((2, 10), np.float32))
    session.finish()
    (window,) = session.windows()
    session.accept(WindowVocals(_core(window)))
    assert session.draw_spread_by_second_db is None


@pytest.mark.parametrize("energies", [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0)])
def test_a_spread_without_draws_or_sound_is_undefined(energies):
    session = _session()
    session.push(np.zeros((2, 10), np.float32))
    session.finish()
    (window,) = session.windows()
    session.accept(WindowVocals(_core(window), _energies(*energies)))
    assert session.draw_spread_db is None
    assert session.draw_spread_by_second_db == [None]
