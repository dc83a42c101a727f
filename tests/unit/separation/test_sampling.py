"""The choice of a sampler, and diffusion models from end to end."""

from functools import cache

import numpy as np
import pytest
import torch
from tiny_models import (
    RATE_HZ,
    difference_db,
    noise_waveform,
    tiny_config,
    tiny_model,
)
from torch import nn

from latentsep.denoisers import NETWORKS
from latentsep.diffusion.samplers import SAMPLERS
from latentsep.diffusion.schedule import cosine_level
from latentsep.errors import ConfigError, ModelError
from latentsep.separation.noise import TrackNoise
from latentsep.separation.options import SeparationOptions
from latentsep.separation.sampling import choose_sampling
from latentsep.separation.separator import Separator
from latentsep.separation.windows import Window

TRACK = noise_waveform(0, 9_000)
SEAMLESS_DB = -60
DIFFUSION = {
    "objective": {"name": "v"},
    "sampling": {"sampler": "ddim_refined", "options": {"eta": 0.3, "cutoff_hz": 1e3}, "steps": 2},
}
DIFFUSION_SAMPLERS = [
    name for name, kind in sorted(SAMPLERS.items()) if "diffusion" in kind.processes
]
RUNS = [
    *({"sampler": name} for name in DIFFUSION_SAMPLERS),
    {"sampler": "dpmpp_2m", "steps": 4},
    {"sampler": "ddim", "warm_start": 0.4},
    {"steps": 1, "warm_start": 0.4},
    {"draws": 2},
]


class CountingNetwork(nn.Module):
    """Answers half of its state, has regression heads on demand, and keeps what it was given."""

    local = True
    receptive_radius_frames = 0
    stride_frames = 1

    def __init__(self, latent_channels, heads=0):
        super().__init__()
        self.heads = heads
        self.states, self.mixtures, self.sigmas = [], [], []

    def condition(self, mixture):
        return (mixture,)

    def regress(self, condition):
        return tuple(condition[0] * (head + 1) for head in range(self.heads))

    def log_variance(self, condition):
        return None

    def forward(self, state, condition, sigma):
        self.states.append(state)
        self.mixtures.append(condition[0])
        self.sigmas.append(sigma.item())
        return 0.5 * state


@pytest.fixture
def counting(monkeypatch):
    """Builds separators around counting networks."""
    monkeypatch.setitem(NETWORKS, "counting", CountingNetwork)

    def build(heads=0, objective="v", **options):
        model = tiny_model(
            objective={"name": objective},
            sampling={"sampler": "ddim" if objective == "v" else "bridge"},
            network={"name": "counting", "options": {"heads": heads}},
            chunk={"frames": 40, "context_frames": 4},
        )
        return Separator(model, SeparationOptions(**options))

    return build


def _separate_a_window(separator):
    """One window, whose chunks go through the network one by one."""
    session = separator.session(RATE_HZ, 2, "track")
    session.push(noise_waveform(1, separator.plan.core_samples))
    session.finish()
    (window,) = session.windows()
    separator.separate_windows([window])
    return separator.model.network


def _refused(error, match, options, **changes):
    with pytest.raises(error, match=match) as caught:
        choose_sampling(tiny_config(**changes), SeparationOptions(**options))
    assert "\n" not in str(caught.value)


@cache
def _separator(**options):
    return Separator(tiny_model(**DIFFUSION), SeparationOptions(**options))


def _vocals(track=TRACK, track_id="track", **options):
    return _separator(**options).separate(track, RATE_HZ, track_id).vocals


def test_what_is_left_out_comes_from_the_model():
    config = tiny_config(**DIFFUSION)
    assert choose_sampling(config, SeparationOptions()).config == config.sampling
    chosen = choose_sampling(config, SeparationOptions(steps=7)).config
    assert (chosen.sampler, chosen.options, chosen.steps) == (
        "ddim_refined",
        {"eta": 0.3, "cutoff_hz": 1e3},
        7,
    )


def test_another_sampler_does_not_take_over_the_options_of_the_models_own():
    chosen = choose_sampling(tiny_config(**DIFFUSION), SeparationOptions(sampler="dpmpp_2m"))
    assert (chosen.config.sampler, chosen.config.options) == ("dpmpp_2m", None)
    options = SeparationOptions(sampler="ddim_refined", sampler_options={"eta": 0.9})
    assert choose_sampling(tiny_config(**DIFFUSION), options).config.options == {"eta": 0.9}


@pytest.mark.parametrize(
    ("options", "changes", "message"),
    [
        ({"sampler": "nosuch"}, {}, "unknown sampler 'nosuch'; known: bridge, ddim"),
        (
            {"sampler": "ddim"},
            {},
            "'ddim' cannot sample objective 'bridge', a bridge; allowed are bridge, euler",
        ),
        (
            {"sampler": "bridge"},
            DIFFUSION,
            "'bridge' cannot sample objective 'v', a diffusion; allowed are ddim, ddim_refined, "
            "dpmpp_2m, euler",
        ),
    ],
)
def test_a_sampler_that_cannot_be_is_refused_with_those_that_can(options, changes, message):
    _refused(ModelError, message, options, **changes)


@pytest.mark.parametrize("objective", ["bridge", "regression"])
def test_a_model_that_starts_at_the_mixture_has_no_warm_start(objective):
    message = f"warm_start=0.5 .* objective '{objective}' starts at the mixture: leave it out"
    _refused(ConfigError, message, {"warm_start": 0.5}, objective={"name": objective})


def test_more_steps_than_the_objective_can_do_are_refused():
    _refused(ConfigError, r"1\.\.64 steps, got 65", {"steps": 65})
    _refused(ConfigError, r"1\.\.1000 steps, got 1001", {"steps": 1_001}, **DIFFUSION)


def test_draws_of_a_diffusion_differ_even_in_one_step():
    assert choose_sampling(tiny_config(**DIFFUSION), SeparationOptions(draws=3, steps=1)).draws == 3
    _refused(ConfigError, "draws=3 would all be equal", {"draws": 3})


@pytest.mark.parametrize(
    ("heads", "options", "nfe"),
    [
        (0, {"steps": 3}, 3),
        (0, {"steps": 3, "draws": 2}, 6),
        (0, {"steps": 3, "warm_start": 0.5}, 4),
        (0, {"steps": 3, "warm_start": 0.5, "draws": 2}, 8),
        (2, {"steps": 3, "warm_start": 0.5, "draws": 2}, 6),
        (0, {"steps": 5, "sampler": "ddim_refined", "sampler_options": {"cutoff_hz": 0}}, 5),
        *((0, {"steps": 5, "sampler": name}, 5) for name in ("dpmpp_2m", "euler")),
    ],
)
def test_the_network_is_called_as_often_as_is_said(counting, heads, options, nfe):
    separator = counting(heads, batch_chunks=1, **options)
    network = _separate_a_window(separator)
    assert separator.nfe == nfe
    assert len(network.states) == nfe * separator.plan.window_chunks


def test_the_network_is_told_the_weight_of_the_start(counting):
    separator = counting(steps=4, batch_chunks=64)
    assert separator.plan.window_chunks < 64
    sigmas = _separate_a_window(separator).sigmas
    assert sigmas == pytest.approx([cosine_level(t).sigma for t in (1, 0.75, 0.5, 0.25)])


def test_the_same_noise_starts_a_draw_however_many_steps_follow(counting):
    first = [
        _separate_a_window(counting(steps=steps, batch_chunks=64)).states[0] for steps in (1, 3)
    ]
    assert torch.equal(*first)
    assert first[0][0].std().item() == pytest.approx(1.0, abs=0.1)


class RecordingNoise(TrackNoise):
    """Noise of a track that keeps the draws and steps it was asked for."""

    def __init__(self, latent_channels):
        super().__init__(0, "track", latent_channels)
        self.asked = []

    def frames(self, draw, step, first_frame, frames):
        self.asked.append((draw, step))
        return super().frames(draw, step, first_frame, frames)


@pytest.mark.parametrize("steps", [1, 2, 9])
@pytest.mark.parametrize("options", [{"sampler": "ddim_refined"}, {"warm_start": 0.5}], ids=str)
def test_no_noise_is_used_twice(steps, options):
    separator = _separator(steps=steps, draws=2, **options)
    noise = RecordingNoise(48)
    mixture = torch.from_numpy(noise_waveform(2, separator.plan.window_samples))
    separator.separate_windows([Window(mixture, 0, noise)])
    assert len(noise.asked) == 2 * steps  # one for the start, and one for each step but the last
    assert len(set(noise.asked)) == len(noise.asked)


def test_a_warm_start_mixes_the_best_heads_estimate_with_the_noise(counting):
    cold = _separate_a_window(counting(heads=2, steps=1, batch_chunks=64))
    warm = _separate_a_window(counting(heads=2, steps=1, batch_chunks=64, warm_start=0.3))
    level = cosine_level(0.3)
    (noise,), (state,), (mixture,) = cold.states, warm.states, warm.mixtures
    # The second head says twice the mixture.
    torch.testing.assert_close(state, level.alpha * 2 * mixture + level.sigma * noise)


def test_without_heads_a_warm_start_costs_one_call_at_the_start(counting):
    network = _separate_a_window(counting(steps=2, batch_chunks=64, warm_start=0.3))
    expected = [1.0, cosine_level(0.3).sigma, cosine_level(0.15).sigma]
    assert network.sigmas == pytest.approx(expected)
    noise, warm = network.states[:2]
    level = cosine_level(0.3)
    # The clean estimate at the start is -v, and v is half of the state.
    torch.testing.assert_close(warm, level.alpha * (-0.5 * noise) + level.sigma * noise)


def test_a_window_discards_as_much_for_a_draft_as_for_one_more_step():
    """The draft of a frame knows its neighbours', and the first step passes that on."""
    warm, cold = _separator(steps=2, warm_start=0.5), _separator(steps=3)
    assert warm.plan == cold.plan


@pytest.mark.parametrize("options", RUNS, ids=str)
def test_stems_have_the_mixtures_shape_and_another_grid_gives_the_same(options):
    vocals = _vocals(**options)
    assert vocals.shape == TRACK.shape
    assert np.isfinite(vocals).all()
    for grid in ({"segment_s": 3.2}, {"overlap": 0.7}):
        assert difference_db(_vocals(**options, **grid), vocals) < SEAMLESS_DB


@pytest.mark.parametrize("options", RUNS, ids=str)
def test_neither_companions_nor_their_order_change_a_bit(options):
    separator = _separator(batch_chunks=3, **options)
    session = separator.session(RATE_HZ, 2, "track")
    session.push(TRACK)
    session.finish()
    windows = list(session.windows())
    together = separator.separate_windows(windows[::-1])[::-1]
    for window, vocals in zip(windows, together, strict=True):
        assert torch.equal(separator.separate_windows([window])[0].vocals, vocals.vocals)


@pytest.mark.parametrize("name", DIFFUSION_SAMPLERS)
def test_noise_belongs_to_the_seed_and_the_track(name):
    vocals = _vocals(sampler=name, refinement="off")
    assert (_vocals(sampler=name, refinement="off", track_id="other") != vocals).any()
    assert (_vocals(sampler=name, refinement="off", seed=1) != vocals).any()
    again = Separator(tiny_model(**DIFFUSION), SeparationOptions(sampler=name, refinement="off"))
    np.testing.assert_array_equal(again.separate(TRACK, RATE_HZ, "track").vocals, vocals)


def test_samplers_and_their_options_change_the_vocals():
    results = [
        _vocals(steps=4, refinement="off"),
        *(_vocals(sampler=name, steps=4, refinement="off") for name in ("ddim", "dpmpp_2m")),
        _vocals(sampler="ddim", steps=4, refinement="off", warm_start=0.5),
        Separator(
            tiny_model(**DIFFUSION),
            SeparationOptions(
                sampler="ddim_refined",
                sampler_options={"eta": 1.0, "cutoff_hz": 1e3},
                steps=4,
                refinement="off",
            ),
        )
        .separate(TRACK, RATE_HZ, "track")
        .vocals,
    ]
    for index, one in enumerate(results):
        for other in results[index + 1 :]:
            assert difference_db(one, other) > SEAMLESS_DB


def test_an_option_that_does_not_fit_is_told_when_the_separator_is_made():
    options = SeparationOptions(sampler="ddim_refined", sampler_options={"eta": 3})
    with pytest.raises(ModelError, match=r"'ddim_refined' .* eta must lie in 0\.\.1, got 3"):
        Separator(tiny_model(**DIFFUSION), options)


@pytest.mark.parametrize("warm_start", [0, 1, -0.5, float("nan")])
def test_a_warm_start_lies_between_the_ends(warm_start):
    with pytest.raises(ValueError, match="warm_start"):
        SeparationOptions(warm_start=warm_start)
