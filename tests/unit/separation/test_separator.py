from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import RATE_HZ, difference_db, noise_waveform, tiny_model
from torch import nn

from latentsep.denoisers import NETWORKS
from latentsep.errors import ConfigError, ModelError, NonFiniteAudioError
from latentsep.models.folder import save_model
from latentsep.separation.options import SeparationOptions
from latentsep.separation.separator import Separator, Track, pick_device


class PassNetwork(nn.Module):
    """Takes the whole mixture for vocals."""

    receptive_radius_frames = 0
    stride_frames = 1

    def __init__(self, latent_channels, answer=1.0, local=True):
        super().__init__()
        self.answer = answer
        self.local = local

    def condition(self, mixture):
        return (mixture,)

    def regress(self, condition):
        return ()

    def log_variance(self, condition):
        return None

    def forward(self, state, condition, sigma):
        return self.answer * condition[0]


@pytest.fixture
def stub_model(monkeypatch):
    """Builds an identity codec around a network that answers a multiple of the mixture."""
    monkeypatch.setitem(NETWORKS, "pass", PassNetwork)

    def build(answer=1.0, local=True):
        options = {"sample_rate_hz": RATE_HZ, "hop_samples": 64}
        return tiny_model(
            codec={"name": "identity", "options": options},
            network={"name": "pass", "options": {"answer": answer, "local": local}},
            chunk={"frames": 40, "context_frames": 4},
        )

    return build


@cache
def _separator(**options):
    return Separator(tiny_model(), SeparationOptions(**options))


TRACKS = [
    Track("long", noise_waveform(0, 9_000), RATE_HZ),
    Track("short", noise_waveform(1, 700), RATE_HZ),
    Track("mono", noise_waveform(2, 4_001, channels=1), RATE_HZ),
    Track("resampled", noise_waveform(3, 20_000), 44_100),
    Track("surround", noise_waveform(4, 3_000, channels=6), RATE_HZ),
    Track("one sample", noise_waveform(5, 1), RATE_HZ),
]


def _separate(separator, track):
    return separator.separate(track.waveform, track.sample_rate_hz, track.track_id)


@pytest.mark.parametrize("track", TRACKS, ids=lambda track: track.track_id)
def test_stems_have_the_mixtures_shape_and_add_up_to_it(track):
    stems = _separate(_separator(), track)
    np.testing.assert_array_equal(stems.mixture, track.waveform)
    assert stems.vocals.shape == track.waveform.shape
    assert stems.vocals.dtype == np.float32
    np.testing.assert_allclose(stems.vocals + stems.accompaniment, track.waveform, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("answer", [0.0, 1.0, 0.25])
@pytest.mark.parametrize("local", [True, False])
def test_without_a_mask_the_vocals_are_what_the_network_says(stub_model, local, answer, channels):
    separator = Separator(stub_model(answer, local), SeparationOptions(refinement="off"))
    track = noise_waveform(6, 5_003, channels)
    vocals = separator.separate(track, RATE_HZ).vocals
    np.testing.assert_allclose(vocals, answer * track, atol=1e-6)


@settings(max_examples=25)
@given(
    refinement=st.sampled_from(["off", "mask", "blend"]),
    draws=st.integers(1, 3),
    channels=st.sampled_from([1, 2, 6]),
    bit_depth=st.sampled_from([16, 24]),
    gain_db=st.integers(-60, 0),
    samples=st.integers(1, 6_000),
    seed=st.integers(0, 2**32 - 1),
)
def test_in_every_mode_the_stems_are_the_source_in_integers(
    refinement, draws, channels, bit_depth, gain_db, samples, seed
):
    full = 2 ** (bit_depth - 1)
    loudest = int((full - 1) * 10 ** (gain_db / 20))
    source = np.random.default_rng(seed).integers(-loudest, loudest, (channels, samples))
    separator = _separator(steps=2, draws=draws, refinement=refinement)
    stems = separator.separate((source / full).astype(np.float32), RATE_HZ).on_grid(bit_depth)
    np.testing.assert_array_equal(stems.vocals.astype(np.int64) + stems.accompaniment, source)
    assert stems.mixture_clipped_samples == 0


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_with_a_mask_the_whole_mixture_as_guide_gives_the_mixture(stub_model, channels):
    separator = Separator(stub_model(), SeparationOptions(refinement="mask"))
    track = noise_waveform(7, 5_003, channels)
    assert difference_db(separator.separate(track, RATE_HZ).vocals, track) < -100


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("steps", [1, 2])
def test_silence_stays_silence(channels, steps):
    silence = np.zeros((channels, 4_000), np.float32)
    stems = _separator(steps=steps).separate(silence, RATE_HZ)
    assert not stems.vocals.any()
    assert not stems.accompaniment.any()


def test_without_a_mask_silence_stays_60_db_below_a_song():
    silence = np.zeros((2, 4_000), np.float32)
    vocals = _separator(refinement="off").separate(silence, RATE_HZ).vocals
    song = _separator(refinement="off").separate(noise_waveform(0, 4_000), RATE_HZ).vocals
    assert np.abs(vocals).max() < 1e-2 * np.abs(song).max()


def test_mono_is_what_the_mean_of_two_equal_channels_is():
    mono = noise_waveform(8, 5_000, channels=1)
    alone = _separator().separate(mono, RATE_HZ).vocals
    doubled = _separator().separate(np.repeat(mono, 2, axis=0), RATE_HZ).vocals
    np.testing.assert_allclose(alone, doubled.mean(axis=0, keepdims=True), atol=1e-5)


@pytest.mark.parametrize("gain", [0.03, 3.0])
def test_a_louder_mixture_gives_louder_stems_and_no_others(gain):
    track = noise_waveform(9, 5_000)
    vocals = _separator().separate(track, RATE_HZ).vocals
    assert difference_db(_separator().separate(gain * track, RATE_HZ).vocals / gain, vocals) < -30


@pytest.mark.parametrize("batch_chunks", [1, 3, 8])
@pytest.mark.parametrize("steps", [1, 2])
def test_neither_companions_nor_their_order_change_a_bit(batch_chunks, steps):
    separator = _separator(batch_chunks=batch_chunks, steps=steps)
    alone = [_separate(separator, track).vocals for track in TRACKS]
    for order in ([0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [3, 0, 5, 1, 4, 2], [1, 1, 0]):
        together = list(separator.separate_many(TRACKS[index] for index in order))
        assert len(together) == len(order)
        for index, stems in zip(order, together, strict=True):
            np.testing.assert_array_equal(stems.vocals, alone[index])
            np.testing.assert_array_equal(stems.mixture, TRACKS[index].waveform)


@pytest.mark.parametrize("level_radius_frames", [0, 8, 48])
def test_windows_that_share_a_batch_keep_their_bits(level_radius_frames):
    model = tiny_model(level_radius_frames=level_radius_frames)
    separator = Separator(model, SeparationOptions(batch_chunks=4))
    assert separator.windows_per_call == 4
    session = separator.session(RATE_HZ, 2)
    session.push(noise_waveform(10, 9_000))
    session.finish()
    windows = list(session.windows())[:4]
    together = separator.separate_windows(windows)
    for window, vocals in zip(windows, together, strict=True):
        assert torch.equal(separator.separate_windows([window])[0].vocals, vocals.vocals)


@pytest.mark.parametrize("batch_chunks", [1, 3])
@pytest.mark.parametrize("block_samples", [1, 333, 4_096, 50_000])
@pytest.mark.parametrize("index", [2, 3])
def test_a_stream_gives_the_bits_of_the_whole(index, block_samples, batch_chunks):
    track = TRACKS[index]
    waveform = track.waveform[:, :6_000] if block_samples > 1 else track.waveform[:, :1_500]
    separator = _separator(batch_chunks=batch_chunks, steps=2)
    whole = separator.separate(waveform, track.sample_rate_hz, "id")
    blocks = np.split(waveform, range(block_samples, waveform.shape[1], block_samples), axis=1)
    pieces = list(separator.stream(blocks, track.sample_rate_hz, len(waveform), "id"))
    for name in ("vocals", "mixture"):
        joined = np.concatenate([getattr(piece, name) for piece in pieces], axis=1)
        np.testing.assert_array_equal(joined, getattr(whole, name))


def test_a_stream_without_blocks_gives_no_stems():
    assert not list(_separator().stream([], RATE_HZ, 2))


def test_a_stream_gives_its_first_stems_before_it_ends():
    def endless():
        while True:
            yield noise_waveform(0, 1_000)

    first = next(_separator().stream(endless(), RATE_HZ, 2))
    assert first.vocals.shape == first.mixture.shape


def test_the_first_stems_come_before_the_last_track_is_read():
    def tracks():
        yield TRACKS[0]
        pytest.fail("the second track was asked for before the first was given back")

    assert next(_separator().separate_many(tracks())).vocals.shape == (2, 9_000)


def test_noise_belongs_to_the_seed_and_the_track():
    track = noise_waveform(11, 3_000)
    first = _separator(steps=2).separate(track, RATE_HZ, "a").vocals
    np.testing.assert_array_equal(_separator(steps=2).separate(track, RATE_HZ, "a").vocals, first)
    assert (_separator(steps=2).separate(track, RATE_HZ, "b").vocals != first).any()
    assert (_separator(steps=2, seed=1).separate(track, RATE_HZ, "a").vocals != first).any()


def test_without_noise_neither_seed_nor_name_matter():
    track = noise_waveform(12, 3_000)
    first = _separator().separate(track, RATE_HZ, "a").vocals
    np.testing.assert_array_equal(_separator(seed=1).separate(track, RATE_HZ, "b").vocals, first)


def test_the_mean_of_many_draws_scatters_less():
    track = noise_waveform(13, 2_000)

    def scatter(draws):
        vocals = [
            Separator(
                tiny_model(objective={"name": "bridge", "options": {"spread": 1.0}}),
                SeparationOptions(steps=2, draws=draws, refinement="off", seed=seed),
            )
            .separate(track, RATE_HZ)
            .vocals
            for seed in range(4)
        ]
        return np.std(vocals, axis=0).mean()

    # Independent draws: 1 / sqrt(8) = 0.35.
    assert scatter(8) == pytest.approx(0.35 * scatter(1), rel=0.3)


def _spread_db(spread=0.3, track_id="", waveform=None, **options):
    model = tiny_model(objective={"name": "bridge", "options": {"spread": spread}})
    return _spread_of_db(model, track_id, waveform, **options)


def _spread_of_db(model, track_id="", waveform=None, **options):
    separator = Separator(model, SeparationOptions(**{"steps": 2, **options}))
    session = separator.session(RATE_HZ, 2, track_id)
    session.push(noise_waveform(17, 20_000) if waveform is None else waveform)
    session.finish()
    for vocals in separator.separate_windows(list(session.windows())):
        session.accept(vocals)
    return session.draw_spread_db


def test_one_draw_has_no_spread():
    assert _spread_db(draws=1) is None


def test_silence_has_no_spread_worth_a_number():
    silent = _spread_db(draws=4, waveform=np.zeros((2, 20_000), np.float32))
    assert silent is None or np.isfinite(silent)


def test_more_noise_in_the_sampler_spreads_the_draws_more():
    spreads_db = [_spread_db(spread, draws=4) for spread in (0.1, 0.3, 1.0)]
    assert spreads_db == sorted(spreads_db)
    assert spreads_db[-1] > spreads_db[0] + 6


def _gaussian_model(temperature, **sampling):
    """A posterior network that draws from its conditioner's Gaussian: nothing is corrected."""
    sizes = {
        "planes": [32, 16],
        "widths": [8, 12],
        "blocks": [1, 1],
        "bottom_channels": 12,
        "bottom_dilations": [1],
        "generator_widths": [8, 8],
        "generator_blocks": [1, 1],
        "generator_bottom_channels": 8,
    }
    model = tiny_model(
        network={"name": "posterior_unet2d", "options": sizes},
        objective={"name": "v", "options": {"temperature": temperature}},
        sampling={"steps": 8, **sampling},
        refinement={"mode": "off", "window_samples": 256},
    )
    for parameter in model.network.generator.head.parameters():
        torch.nn.init.zeros_(parameter)
    return model


@pytest.mark.parametrize(
    "sampling",
    [{"sampler": "ddim"}, {"sampler": "ddim_refined", "options": {"cutoff_hz": 500}}],
)
def test_colder_draws_lie_closer_together_and_tell_of_the_same_spread(sampling):
    mixture, energies, spreads_db = noise_waveform(0, 20_000), {}, {}
    for temperature in (1.0, 0.5):
        model = _gaussian_model(temperature, **sampling)
        one, two = (
            Separator(model, SeparationOptions(seed=seed)).separate(mixture, RATE_HZ).vocals
            for seed in (1, 2)
        )
        energies[temperature] = np.square(one - two).mean()
        spreads_db[temperature] = _spread_of_db(model, draws=4)
    # Half the deviation between samples of a Gaussian, or a quarter of the energy.
    assert energies[0.5] / energies[1.0] == pytest.approx(0.25, rel=0.05)
    assert spreads_db[0.5] == pytest.approx(spreads_db[1.0], abs=0.3)


def test_more_draws_measure_the_same_spread_better():
    assert _spread_db(draws=16) == pytest.approx(_spread_db(draws=4), abs=0.5)


@pytest.mark.parametrize("segment_s", [1.5, 3.0])
def test_every_stretch_of_a_track_is_counted_once_however_windows_lie(segment_s):
    """Noise belongs to places of the track, so other windows see the same draws."""
    spread_db = _spread_db(draws=3, segment_s=segment_s)
    assert spread_db == pytest.approx(_spread_db(draws=3), abs=0.01)


def test_a_track_has_a_spread_for_each_of_its_seconds():
    """The second half is the first one again, and so about as sure."""
    separator = Separator(tiny_model(), SeparationOptions(steps=2, draws=8))
    half = noise_waveform(17, 2 * RATE_HZ)
    session = separator.session(RATE_HZ, 2)
    blocks = np.array_split(np.concatenate([half, half, half[:, :100]], axis=1), 7, axis=1)
    frames = sum(stems.vocals.shape[1] for stems in separator.run(session, blocks))
    assert frames == 4 * RATE_HZ + 100
    by_second_db = session.draw_spread_by_second_db
    assert len(by_second_db) == 5
    assert by_second_db[2:4] == pytest.approx(by_second_db[:2], abs=1)
    assert by_second_db[0] == pytest.approx(session.draw_spread_db, abs=2)


def test_companions_do_not_change_a_windows_spread():
    model = tiny_model(objective={"name": "bridge", "options": {"spread": 1.0}})
    separator = Separator(model, SeparationOptions(steps=2, draws=2, batch_chunks=4))
    session = separator.session(RATE_HZ, 2)
    session.push(noise_waveform(10, 9_000))
    session.finish()
    windows = list(session.windows())
    for window, together in zip(windows, separator.separate_windows(windows), strict=True):
        (alone,) = separator.separate_windows([window])
        assert torch.equal(alone.energies, together.energies)


def test_the_steps_are_those_that_are_taken():
    assert _separator().steps == tiny_model().config.sampling.steps
    assert _separator(steps=2).steps == 2


def test_a_batch_shrinks_by_halves_down_to_one_chunk():
    separator = Separator(tiny_model(), SeparationOptions(batch_chunks=5))
    sizes = []
    while separator.shrink_batch():
        sizes.append(separator.batch_chunks)
    assert sizes == [2, 1]
    assert separator.windows_per_call == 1


def test_a_smaller_batch_gives_the_same_stems():
    separator = Separator(tiny_model(), SeparationOptions(batch_chunks=4))
    track = noise_waveform(18, 9_000)
    before = separator.separate(track, RATE_HZ).vocals
    assert separator.shrink_batch()
    assert difference_db(separator.separate(track, RATE_HZ).vocals, before) < -100


def test_on_a_cpu_chunks_go_one_by_one():
    assert Separator(tiny_model(), SeparationOptions(device="cpu")).batch_chunks == 1


def test_bfloat16_stays_near_float32():
    track = noise_waveform(14, 4_000)
    exact = _separator().separate(track, RATE_HZ).vocals
    rough = _separator(precision="bfloat16").separate(track, RATE_HZ).vocals
    assert -90 < difference_db(rough, exact) < -25


def test_a_model_that_gives_nan_is_found_out(stub_model):
    separator = Separator(stub_model(answer=float("nan")))
    with pytest.raises(NonFiniteAudioError, match=r"window at 0\.0 s"):
        separator.separate(noise_waveform(0, 2_000), RATE_HZ)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_in_the_source_is_refused(value):
    track = noise_waveform(0, 2_000)
    track[1, 1_234] = value
    with pytest.raises(NonFiniteAudioError, match="NaN or infinity"):
        _separator().separate(track, RATE_HZ)


@pytest.mark.parametrize("shape", [(0,), (100,), (2, 0), (0, 100), (1, 2, 100)])
def test_what_is_no_waveform_is_refused_with_its_shape(shape):
    with pytest.raises(ValueError, match=r"got shape \("):
        _separator().separate(np.zeros(shape, np.float32), RATE_HZ)


def test_a_block_of_other_channels_is_refused():
    with pytest.raises(ValueError, match="2 channels"):
        list(_separator().stream([noise_waveform(0, 100, channels=1)], RATE_HZ, 2))


def test_float64_is_taken_as_float32():
    track = noise_waveform(15, 2_000)
    np.testing.assert_array_equal(
        _separator().separate(track.astype(np.float64), RATE_HZ).vocals,
        _separator().separate(track, RATE_HZ).vocals,
    )


def test_the_waveform_is_left_as_it_was():
    track = noise_waveform(16, 2_000)
    before = track.copy()
    _separator().separate(track, RATE_HZ)
    np.testing.assert_array_equal(track, before)


def test_draws_that_would_all_be_equal_are_refused():
    with pytest.raises(ConfigError, match="draws=2 would all be equal"):
        Separator(tiny_model(), SeparationOptions(draws=2))
    assert Separator(tiny_model(), SeparationOptions(draws=2, steps=2))


def test_more_steps_than_the_model_can_do_are_refused():
    with pytest.raises(ConfigError, match=r"'tiny' can do 1\.\.64 steps, got 65"):
        Separator(tiny_model(), SeparationOptions(steps=65))


def test_a_segment_too_short_for_the_model_is_refused():
    with pytest.raises(ConfigError, match="needs at least"):
        Separator(tiny_model(), SeparationOptions(segment_s=0.1))


@pytest.mark.parametrize("device", ["quantum", "", "cpu:x", "meta"])
def test_a_device_that_is_not_one_is_refused_by_name(device):
    with pytest.raises(ConfigError, match=f"device '{device}'"):
        Separator(tiny_model(), SeparationOptions(device=device))


def test_a_gpu_that_is_not_there_is_refused_with_a_way_out():
    with pytest.raises(ConfigError, match=r"device 'cuda:99' .*take auto or cpu"):
        Separator(tiny_model(), SeparationOptions(device="cuda:99"))


def test_auto_is_a_device_that_is_there():
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert pick_device("cpu").type == "cpu"


def test_a_separator_comes_from_a_model_folder(tmp_path):
    save_model(tmp_path / "tiny", tiny_model(), "# tiny\n")
    separator = Separator.from_pretrained(tmp_path / "tiny", steps=2, refinement="off")
    assert separator.sample_rate_hz == RATE_HZ
    assert separator.options == SeparationOptions(steps=2, refinement="off")
    assert separator.separate(noise_waveform(0, 500), RATE_HZ).vocals.shape == (2, 500)


@pytest.mark.parametrize("option", [{"colour": "red"}, {"steps": 0}, {"overlap": 2}])
def test_an_impossible_option_is_named_with_those_there_are(option):
    with pytest.raises(ConfigError) as caught:
        Separator.from_pretrained("tiny", **option)
    assert next(iter(option)) in str(caught.value)
    assert "options are device, steps" in str(caught.value)


def test_an_unknown_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match="unknown model"):
        Separator.from_pretrained(tmp_path / "nosuch")


def test_the_network_is_compiled_for_its_one_shape_where_that_is_asked_for(stub_model):
    asked = []
    for wanted in (False, True):
        model = stub_model()
        model.network.compile = lambda **options: asked.append(options)
        Separator(model, SeparationOptions(compile=wanted))
    assert asked == [{"dynamic": False}]
