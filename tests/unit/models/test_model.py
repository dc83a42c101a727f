import pytest
import torch
from pydantic import ValidationError
from tiny_models import CONFIG, RADIUS_FRAMES, STRIDE_FRAMES, tiny_config, tiny_model

from latentsep.diffusion.schedule import Level
from latentsep.errors import ConfigError, ModelError
from latentsep.models.config import ModelConfig, explain
from latentsep.models.model import Model
from latentsep.separation.separator import Separator


def _network(**options):
    return {"name": "unet1d", "options": {**CONFIG["network"]["options"], **options}}


def _refused(match, **changes):
    with pytest.raises(ModelError, match=match):
        Model(tiny_config(**changes))


def test_a_model_is_built_from_its_settings():
    model = Model(tiny_config())
    assert model.latent_space.codec.latent_channels == 48
    assert model.network.receptive_radius_frames == RADIUS_FRAMES
    assert model.network.stride_frames == STRIDE_FRAMES
    assert model.objective.max_steps > 1
    mixture = torch.zeros(2, 48, 128)
    assert model.denoise(mixture, model.condition(mixture), Level(0, 1)).shape == mixture.shape


@pytest.mark.parametrize("kind", ["codec", "network", "objective"])
def test_an_unknown_part_is_named_with_the_known_ones(kind):
    _refused(rf"unknown {kind} 'nosuch'; known: .*\w", **{kind: {"name": "nosuch"}})


def test_an_unknown_sampler_is_named_with_the_known_ones():
    _refused("unknown sampler 'nosuch'; known: bridge", sampling={"sampler": "nosuch"})


def test_a_sampler_for_another_process_is_refused_with_those_that_fit():
    _refused("'bridge' cannot sample objective 'v'.* allowed are ddim, ", objective={"name": "v"})
    _refused("allowed are bridge, euler$", sampling={"sampler": "dpmpp_2m"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"colour": "red"}, "colour"),
        ({"eta": 2}, r"eta must lie in 0\.\.1, got 2"),
        ({"cutoff_hz": 5e3}, r"0\.\.1969, the codec's highest band, got 5000"),
    ],
)
def test_an_option_a_sampler_cannot_have_is_named(options, message):
    sampling = {"sampler": "ddim_refined", "options": options}
    _refused(f"sampler 'ddim_refined' .*{message}", objective={"name": "v"}, sampling=sampling)


@pytest.mark.parametrize("kind", ["codec", "network", "objective"])
def test_an_option_a_part_does_not_have_is_named(kind):
    part = {"name": CONFIG[kind]["name"], "options": {"colour": "red"}}
    _refused(f"{kind} .*colour", **{kind: part})


@pytest.mark.parametrize(
    "codec",
    [
        {"name": "mdct", "options": {"mid_bins": 16, "side_bins": 32}},
        {"name": "mdct", "options": {"hop_samples": "many"}},
        {"name": "mdct", "options": {"sample_rate_hz": 0}},
        {"name": "mdct", "options": {"sample_rate_hz": -8_000}},
        {"name": "identity", "options": {"hop_samples": 0}},
        {"name": "identity", "options": {"sample_rate_hz": 0}},
    ],
)
def test_a_codec_that_cannot_be_is_refused_by_name(codec):
    _refused(f"codec '{codec['name']}'", codec=codec)


@pytest.mark.parametrize(
    "options", [{"widths": []}, {"widths": 8}, {"widths": [8, -4]}, {"widths": [0]}]
)
def test_a_network_that_cannot_be_is_refused_by_name(options):
    _refused("network 'unet1d'", network=_network(**options))


def test_a_network_cannot_have_other_channels_than_its_codec():
    _refused("latent_channels", network=_network(latent_channels=47))


def test_a_context_below_the_receptive_radius_is_refused_with_both_numbers():
    chunk = {"frames": 128, "context_frames": RADIUS_FRAMES - 1}
    _refused(f"receptive radius, {RADIUS_FRAMES} frames, got {RADIUS_FRAMES - 1}", chunk=chunk)


@pytest.mark.parametrize("frames", [126, 80, 82])
def test_a_chunk_off_the_stride_or_without_a_core_is_refused(frames):
    chunk = {"frames": frames, "context_frames": RADIUS_FRAMES}
    _refused(f"multiple of {STRIDE_FRAMES} .* got {frames}", chunk=chunk)


@pytest.mark.parametrize("context_frames", [40, 41, 42, 43, 44])
def test_a_model_that_is_built_can_be_used_as_it_is(context_frames):
    """Windows round the context up to the stride; the chunk must have room for that."""
    for frames in range(80, 104, STRIDE_FRAMES):
        try:
            model = tiny_model(chunk={"frames": frames, "context_frames": context_frames})
        except ModelError:
            continue
        assert Separator(model).plan.core_hops >= STRIDE_FRAMES


def test_steps_the_objective_cannot_do_are_refused_before_any_audio():
    changes = {"objective": {"name": "regression"}, "sampling": {"steps": 2}}
    with pytest.raises(ConfigError, match=r"1\.\.1 steps, got 2"):
        Separator(tiny_model(**changes))


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"colour": "red"}, "colour"),
        ({"format": 2}, "format"),
        ({"name": "No Spaces"}, "name"),
        ({"chunk": {"frames": 0}}, "chunk.frames"),
        ({"chunk": {"hop": 3}}, "chunk.hop"),
        ({"sampling": {"steps": 0}}, "sampling.steps"),
        ({"refinement": {"mode": "magic"}}, "refinement.mode"),
        ({"refinement": {"power": 0}}, "refinement.power"),
        ({"level_radius_frames": -1}, "level_radius_frames"),
    ],
)
def test_an_impossible_setting_is_explained_by_its_place(changes, place):
    with pytest.raises(ValidationError) as caught:
        tiny_config(**changes)
    assert f"{place}: " in explain(caught.value)


def test_all_problems_are_explained_at_once():
    with pytest.raises(ValidationError) as caught:
        ModelConfig.model_validate({"name": "tiny"})
    for missing in ("description", "licence", "codec", "network", "objective"):
        assert f"{missing}: " in explain(caught.value)


def test_settings_cannot_change_after_construction():
    config = tiny_config()
    with pytest.raises(ValidationError, match="frozen"):
        config.name = "other"
