from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import firwin, oaconvolve

from latentsep.audio.loudness import LoudnessMeter
from latentsep.catalogue.schema import RESULT_COLUMNS
from latentsep.quality.hops import HopCutter
from latentsep.quality.reference_free import BLEED_FLOOR_DB, QualityMeasures, QualityMeter

RATE_HZ = 44_100
RATES_HZ = [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000]
SILENT = (0.0, 1.0, None, None, None, None, None, None, None, None)


def _noise(seed, duration_s, level_db=-20.0, channels=2, rate_hz=RATE_HZ):
    shape = (channels, round(duration_s * rate_hz))
    noise = np.random.default_rng(seed).standard_normal(shape) * 10 ** (level_db / 20)
    return noise.astype(np.float32)


def _tone(hz, duration_s, level_db=-20.0, rate_hz=RATE_HZ):
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    tone = np.sin(2 * np.pi * hz * time_s) * 10 ** (level_db / 20) * 2**0.5
    return np.stack([tone, tone]).astype(np.float32)


def _music(seed, duration_s, rate_hz=RATE_HZ, fall_db=6):
    """Noise whose power falls by so much per octave, beating twice a second."""
    white = _noise(seed, duration_s, rate_hz=rate_hz)
    spectrum = np.fft.rfft(white)
    hz = np.fft.rfftfreq(white.shape[1], 1 / rate_hz)
    fallen = np.fft.irfft(spectrum * (np.maximum(hz, 40) / 40) ** (-fall_db / 6), white.shape[1])
    beat = np.exp(-4 * (2 * np.arange(white.shape[1]) / rate_hz % 1))
    return (fallen * beat * 0.1 / np.std(fallen)).astype(np.float32)


def _measures(vocals, accompaniment, rate_hz=RATE_HZ, mixture=None, cuts=()):
    mixture = vocals + accompaniment if mixture is None else mixture
    meter = QualityMeter(rate_hz, len(vocals))
    stems = (mixture, vocals, accompaniment)
    for blocks in zip(*(np.split(stem, cuts, axis=1) for stem in stems), strict=True):
        meter.add(*blocks)
    return meter.measures()


def test_every_measure_is_a_column_of_the_ledger():
    columns = {column.name: column for column in RESULT_COLUMNS}
    assert {field.name for field in fields(QualityMeasures)} <= set(columns)
    for name, value in vars(_measures(np.zeros((2, 9_000)), np.zeros((2, 9_000)))).items():
        assert columns[name].nullable or value is not None


@settings(max_examples=40, deadline=None)
@given(
    rate_hz=st.sampled_from(RATES_HZ),
    channels=st.sampled_from([1, 2, 6]),
    duration_s=st.floats(0.001, 1.2),
    cuts=st.lists(st.floats(0, 1), max_size=8),
)
def test_where_the_track_is_cut_does_not_matter(rate_hz, channels, duration_s, cuts):
    vocals = _noise(0, duration_s, -30, channels, rate_hz)
    accompaniment = _noise(1, duration_s, -25, channels, rate_hz)
    places = sorted(round(cut * vocals.shape[1]) for cut in cuts)
    whole = _measures(vocals, accompaniment, rate_hz)
    pieces = _measures(vocals, accompaniment, rate_hz, cuts=places)
    for name, value in vars(whole).items():
        assert getattr(pieces, name) == (None if value is None else pytest.approx(value, abs=1e-4))


def test_measures_may_be_asked_for_at_any_time():
    meter, once = QualityMeter(RATE_HZ, 2), QualityMeter(RATE_HZ, 2)
    vocals, accompaniment = _noise(0, 1.0), _noise(1, 1.0)
    for start in range(0, RATE_HZ, 7_000):
        block = slice(start, start + 7_000)
        stems = vocals[:, block], accompaniment[:, block]
        for one in (meter, once):
            one.add(stems[0] + stems[1], *stems)
        meter.measures()
    assert meter.measures() == once.measures()


def test_a_long_track_is_not_kept():
    cutter = HopCutter(6, 4_410)
    for _ in range(50):
        list(cutter.cut(np.ones((6, 10_000), np.float32)))
        assert cutter.rest.shape[1] < 4_410
        assert cutter.rest.base is None


@given(cuts=st.lists(st.integers(0, 500), max_size=10))
def test_hops_follow_each_other_without_gap_or_overlap(cuts):
    stream = np.arange(1_000, dtype=np.float32).reshape(2, 500)
    cutter = HopCutter(2, 7)
    blocks = np.split(stream, sorted(cuts), axis=1)
    hops = [batch.reshape(2, -1) for block in blocks for batch in cutter.cut(block)]
    np.testing.assert_array_equal(np.concatenate([*hops, cutter.rest], axis=1), stream)


@pytest.mark.parametrize("samples", [0, 1, 4_410, 50_000])
def test_digital_silence_has_no_levels(samples):
    silence = np.zeros((2, samples), np.float32)
    assert tuple(vars(_measures(silence, silence)).values()) == SILENT


@pytest.mark.parametrize("shape", [(1, 10), (10,), (2, 11)])
def test_blocks_of_other_shapes_are_refused_with_their_shapes(shape):
    block = np.zeros((2, 10), np.float32)
    with pytest.raises(ValueError, match=r"wanted three \[2, sample\]"):
        QualityMeter(RATE_HZ, 2).add(block, np.zeros(shape, np.float32), block)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_loudness_is_that_of_the_filters_in_time(rate_hz, channels):
    noise = _music(2, 5.0, rate_hz, fall_db=3)
    vocals = np.concatenate([noise * gain for gain in (1, 0.5, 0.7)])[:channels]
    _assert_same_loudness(vocals, rate_hz, tolerance_lu=0.1)


def test_loudness_of_little_but_deepest_bass_is_off_by_a_fifth_of_a_unit_at_most():
    _assert_same_loudness(_music(2, 5.0, fall_db=6), RATE_HZ, tolerance_lu=0.2)


def _assert_same_loudness(vocals, rate_hz, tolerance_lu):
    exact = LoudnessMeter(rate_hz, len(vocals))
    exact.add(vocals)
    found = _measures(vocals, 0 * vocals, rate_hz).vocals_loudness_lufs
    assert found == pytest.approx(exact.integrated_lufs(), abs=tolerance_lu)


@pytest.mark.parametrize("hz", [60, 440, 997, 5_000])
def test_a_steady_tone_has_the_loudness_of_the_standard(hz):
    tone = _tone(hz, 4.03)
    exact = LoudnessMeter(RATE_HZ, 2)
    exact.add(tone)
    loudness = _measures(tone, 0 * tone).vocals_loudness_lufs
    assert loudness == pytest.approx(exact.integrated_lufs(), abs=0.1)


def test_too_little_audio_has_no_loudness_but_a_peak():
    tone = _tone(440, 0.39)
    measures = _measures(tone, 0 * tone)
    assert measures.vocals_loudness_lufs is None
    assert measures.vocals_peak_db == pytest.approx(-20 + 20 * np.log10(2**0.5), abs=0.01)


def test_the_peak_is_the_largest_sample_of_either_sign_wherever_it_lies():
    stem = np.zeros((2, 10_001), np.float32)
    stem[1, -1] = -0.5
    measures = _measures(stem, 0 * stem)
    assert measures.mixture_peak_db == measures.vocals_peak_db == pytest.approx(-6.02, abs=0.01)
    assert measures.accompaniment_peak_db is None


def test_activity_is_the_share_of_time_in_which_vocals_sound():
    vocals = np.concatenate([_tone(440, 3.0), np.zeros((2, RATE_HZ), np.float32)], axis=1)
    assert _measures(vocals, _noise(4, 4.0, -25)).vocal_activity_ratio == pytest.approx(0.75)


@pytest.mark.parametrize(("below_mixture_db", "active"), [(-18.0, 1.0), (-22.0, 0.0)])
def test_vocals_far_below_the_mixture_are_leakage(below_mixture_db, active):
    mixture = _noise(5, 2.0, -20)
    vocals = (mixture * 10 ** (below_mixture_db / 20)).astype(np.float32)
    measures = _measures(vocals, mixture - vocals, mixture=mixture)
    assert measures.vocal_activity_ratio == active


@pytest.mark.parametrize(("level_db", "silent"), [(-58.0, 0.0), (-62.0, 1.0)])
def test_silence_begins_at_60_db_below_full_scale(level_db, silent):
    noise = _noise(6, 2.0, level_db)
    measures = _measures(noise, 0 * noise)
    assert measures.silence_ratio == silent
    assert measures.vocal_activity_ratio == 1 - silent


def test_a_track_shorter_than_a_hop_is_one_hop():
    tone = _tone(440, 0.05)
    measures = _measures(tone, 0 * tone)
    assert (measures.vocal_activity_ratio, measures.silence_ratio) == (1.0, 0.0)


def test_equal_stems_overlap_fully():
    noise = _noise(7, 1.0)
    assert _measures(noise, noise).bleed_db == pytest.approx(0, abs=1e-5)


def test_stems_in_other_bands_hardly_overlap():
    assert _measures(_tone(3_000, 2.0), _tone(300, 2.0)).bleed_db < -60


def test_bleed_rises_with_what_leaks():
    vocals, accompaniment = _music(8, 4.0), _tone(500, 4.0) + _tone(2_000, 4.0)
    mixture = vocals + accompaniment
    bleed = [
        _measures(
            vocals + share * accompaniment, (1 - share) * accompaniment, mixture=mixture
        ).bleed_db
        for share in (0.0, 0.05, 0.1, 0.2, 0.3)
    ]
    assert bleed == sorted(set(bleed))


def test_stems_that_share_nothing_have_the_floor():
    noise, silence = _noise(15, 1.0), np.zeros((2, RATE_HZ), np.float32)
    vocals = np.concatenate([noise, silence], axis=1)
    accompaniment = np.concatenate([silence, noise], axis=1)
    assert _measures(vocals, accompaniment).bleed_db == BLEED_FLOOR_DB


def test_no_overlap_lies_below_the_floor():
    # Tones on bins of the hops: what they share is rounding alone.
    assert _measures(_tone(12_000, 2.0), _tone(100, 2.0)).bleed_db == BLEED_FLOOR_DB


@pytest.mark.parametrize("sides", [(1, -1), (1, 1), (1, 0), (1, 0.3)])
def test_the_overlap_does_not_depend_on_the_place_in_the_stereo_image(sides):
    pan = np.array(sides, np.float32)[:, None]
    vocals, accompaniment = _music(16, 2.0)[:1], _music(17, 2.0)[:1]
    found = _measures(pan * vocals, pan * accompaniment).bleed_db
    assert found == pytest.approx(_measures(vocals, accompaniment).bleed_db, abs=0.01)


def test_a_silent_stem_has_no_bleed():
    noise = _noise(9, 1.0)
    assert _measures(noise, 0 * noise).bleed_db is None
    assert _measures(1e-5 * noise, noise).bleed_db is None


@pytest.mark.parametrize("cutoff_hz", [4_000, 11_000, 16_000])
def test_the_bandwidth_is_where_a_low_pass_cuts(cutoff_hz):
    song = _music(10, 4.0)
    low = oaconvolve(song, firwin(2_001, cutoff_hz, fs=RATE_HZ)[None], mode="same", axes=1)
    low = low.astype(np.float32)
    assert _measures(low, 0 * low).bandwidth_hz == pytest.approx(cutoff_hz, abs=200)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_full_band_has_the_whole_bandwidth(rate_hz):
    noise = _noise(11, 1.0, rate_hz=rate_hz)
    found_hz = _measures(noise, 0 * noise, rate_hz).bandwidth_hz
    assert rate_hz / 2 - 120 <= found_hz <= rate_hz / 2


def test_the_dither_of_16_bits_is_no_band():
    song = _music(12, 4.0)
    low = oaconvolve(song, firwin(2_001, 16_000, fs=RATE_HZ)[None], mode="same", axes=1)
    dither = np.random.default_rng(13).triangular(-1, 0, 1, low.shape)
    coded = (np.rint(low * 2**15 + dither) / 2**15).astype(np.float32)
    assert _measures(coded, 0 * coded).bandwidth_hz < 16_300


@pytest.mark.parametrize("rate_hz", [44_100, 96_000])
@pytest.mark.parametrize("level_db", [-20, -40])
@pytest.mark.parametrize("dither_steps", [0, 1])
def test_rounding_to_16_bits_above_flat_noise_is_no_band(rate_hz, level_db, dither_steps):
    noise = _noise(18, 4.0, rate_hz=rate_hz)
    low_pass = firwin(6_001, 8_000, fs=rate_hz, window=("kaiser", 14))  # 140 dB
    low = oaconvolve(noise, low_pass[None], mode="same", axes=1)
    low *= 10 ** (level_db / 20) / np.std(low)
    dither = dither_steps * np.random.default_rng(19).triangular(-1, 0, 1, low.shape)
    coded = (np.rint(low * 2**15 + dither) / 2**15).astype(np.float32)
    assert _measures(coded, 0 * coded, rate_hz).bandwidth_hz == pytest.approx(8_000, abs=200)


def test_a_mixture_quieter_than_dither_on_the_whole_has_no_bandwidth():
    blip = np.zeros((1, 8_000 * 600), np.float32)
    blip[:, :800] = _noise(20, 0.1, -59.0, 1, 8_000)
    measures = _measures(blip, 0 * blip, 8_000)
    assert measures.silence_ratio < 1
    assert measures.bandwidth_hz is None


def test_channels_that_cancel_keep_their_bandwidth():
    noise = _noise(14, 1.0, channels=1)
    noise = np.concatenate([noise, -noise])
    assert _measures(noise, 0 * noise).bandwidth_hz > 21_900
