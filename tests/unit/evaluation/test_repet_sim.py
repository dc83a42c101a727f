import numpy as np
import pytest

from latentsep.evaluation.repet_sim import RepetSimConfig, _nearest_frames, separate_repet_sim
from latentsep.quality.reference import sdr_db

RATE_HZ = 16_000


def _repeating_track(seconds=16.0):
    """A one-second figure repeated exactly, under a voice-like line that never repeats."""
    rng = np.random.default_rng(0)
    n_samples = int(seconds * RATE_HZ)
    time_s = np.arange(RATE_HZ) / RATE_HZ
    figure = np.zeros(RATE_HZ)
    for step in range(8):
        chord = np.sin(2 * np.pi * time_s * rng.uniform(150, 3000, (4, 1))).sum(axis=0)
        chord += rng.standard_normal(RATE_HZ)
        figure += np.roll(chord * np.exp(-time_s / 0.08), step * RATE_HZ // 8)
    accompaniment = np.tile(figure, int(np.ceil(seconds)))[:n_samples]
    curve = 300 * 2 ** np.cumsum(rng.normal(0, 0.006, n_samples // 100 + 1))
    f0_hz = np.clip(np.interp(np.arange(n_samples), np.arange(len(curve)) * 100, curve), 150, 900)
    phase = 2 * np.pi * np.cumsum(f0_hz) / RATE_HZ
    voice = sum(np.sin(h * phase) / h for h in range(1, 7))
    nodes = np.arange(0, n_samples, 4000)
    voice *= np.interp(np.arange(n_samples), nodes, rng.uniform(0, 1, len(nodes)))
    pan = np.array([[0.9], [1.0]])
    vocals = (0.5 * pan * voice).astype(np.float32)
    return vocals, vocals + (0.35 * accompaniment * pan[::-1]).astype(np.float32)


def test_vocals_over_a_repeating_accompaniment_come_out_clearer():
    vocals, mixture = _repeating_track()
    estimate = separate_repet_sim(mixture, RATE_HZ)
    assert estimate.shape == mixture.shape
    assert estimate.dtype == np.float32
    assert sdr_db(vocals, estimate) > sdr_db(vocals, mixture) + 4.0


def test_channels_are_kept_and_mono_works():
    vocals, mixture = _repeating_track(6.0)
    mono = separate_repet_sim(mixture[:1], RATE_HZ)
    assert mono.shape == (1, mixture.shape[1])
    assert sdr_db(vocals[:1], mono) > sdr_db(vocals[:1], mixture[:1])


def test_an_exact_repetition_leaves_no_vocals():
    vocals, mixture = _repeating_track()
    accompaniment = mixture - vocals
    left = separate_repet_sim(accompaniment, RATE_HZ)
    inner = slice(RATE_HZ, -RATE_HZ)
    assert np.sum(left[:, inner] ** 2) < 0.02 * np.sum(accompaniment[:, inner] ** 2)


def test_low_frequencies_belong_to_the_accompaniment():
    time_s = np.arange(4 * RATE_HZ) / RATE_HZ
    rumble = np.sin(2 * np.pi * 40 * time_s**2)[None, :].astype(np.float32)
    slow = rumble[:, :RATE_HZ]
    estimate = separate_repet_sim(slow, RATE_HZ, RepetSimConfig(high_pass_hz=200.0))
    assert np.sum(estimate**2) < 0.01 * np.sum(slow**2)


@pytest.mark.parametrize("n_samples", [0, 1, 2, 15, 100, 1023, 1024, 1025, 4321])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_any_length_keeps_its_shape(n_samples, n_channels):
    rng = np.random.default_rng(n_samples)
    mixture = rng.standard_normal((n_channels, n_samples)).astype(np.float32)
    estimate = separate_repet_sim(mixture, 44_100)
    assert estimate.shape == mixture.shape
    assert np.isfinite(estimate).all()


def test_silence_gives_silence():
    estimate = separate_repet_sim(np.zeros((2, 30_000), np.float32), 44_100)
    np.testing.assert_array_equal(estimate, 0.0)


def test_a_flat_array_is_refused():
    with pytest.raises(ValueError, match=r"\[channel, sample\]"):
        separate_repet_sim(np.zeros(100, np.float32), 44_100)


@pytest.mark.parametrize(
    ("rate_hz", "expected"), [(44_100, 2048), (48_000, 2048), (16_000, 512), (8_000, 256)]
)
def test_the_window_is_a_power_of_two_near_its_seconds(rate_hz, expected):
    window = RepetSimConfig().window_samples(rate_hz)
    assert window & (window - 1) == 0
    assert window in (expected, 2 * expected)


def test_at_most_the_allowed_repeats_and_their_distance():
    rng = np.random.default_rng(3)
    similarity = rng.random((5, 400)).astype(np.float32)
    config = RepetSimConfig(max_repeats=6, min_similarity=0.5)
    for row, found in enumerate(_nearest_frames(similarity, 10, config)):
        assert 0 < len(found) <= 6
        assert np.all(np.diff(np.sort(found)) > 10)
        assert np.all(np.diff(similarity[row, found]) <= 0)
        assert np.all(similarity[row, found] >= 0.5)
