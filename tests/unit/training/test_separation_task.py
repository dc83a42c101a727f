import math

import numpy as np
import pytest
import torch
from tiny_models import RATE_HZ, tiny_model
from tiny_training import tiny_pool, tiny_train_config

from latentsep.errors import ConfigError
from latentsep.models.config import PartConfig, SamplingConfig
from latentsep.training.mixing import Mixer
from latentsep.training.separation_task import (
    LEAST_RATIO,
    SeparationTask,
    levelled,
    set_latent_scale,
)

CROP_SAMPLES = 31 * 64


@pytest.mark.parametrize("exponent", [0.0, 0.6, 1.0])
def test_scaled_latents_have_unit_power(exponent):
    config = tiny_train_config(scale_exponent=exponent, scale_examples=32)
    model = tiny_model()
    mixer = Mixer(tiny_pool(), config.data, CROP_SAMPLES, RATE_HZ)
    set_latent_scale(model, mixer, config, np.random.default_rng(0))
    vocals, rest = (torch.from_numpy(s) for s in mixer.batch(32, np.random.default_rng(0)))
    encode = model.latent_space.encode
    power = (encode(vocals).square() + encode(vocals + rest).square()).mean(dim=(0, 2)) / 2
    assert power.mean().item() == pytest.approx(1, rel=1e-3)
    if exponent == 1.0:
        # Every channel on its own; the quietest are held back by the floor.
        assert power.median().item() == pytest.approx(1, rel=0.05)


def test_exponent_0_gives_every_channel_one_scale():
    config = tiny_train_config(scale_exponent=0.0)
    model = tiny_model()
    mixer = Mixer(tiny_pool(), config.data, CROP_SAMPLES, RATE_HZ)
    set_latent_scale(model, mixer, config, np.random.default_rng(0))
    scale = model.latent_space.scale
    torch.testing.assert_close(scale, scale[:1].expand_as(scale))


def test_a_pair_shares_the_level_of_its_mixture():
    model = tiny_model()
    vocals, rest = torch.randn((2, 2, 2, 640), generator=torch.Generator().manual_seed(0))
    clean, mixture, told = levelled(model, vocals, rest)
    space = model.latent_space
    level = space.level(space.encode(vocals + rest))
    torch.testing.assert_close(told, level)
    torch.testing.assert_close(clean * level, space.encode(vocals))
    torch.testing.assert_close(mixture * level, space.encode(vocals + rest))


SMALL_POSTERIOR = PartConfig(
    name="posterior_unet2d",
    options={"widths": [8], "blocks": [1], "bottom_channels": 8, "generator_widths": [8],
             "generator_blocks": [0], "generator_bottom_channels": 8},
)  # fmt: skip


def log_ratio_task(**settings):
    config = tiny_train_config(loss="log_ratio", **settings)
    model = tiny_model()
    mixer = Mixer(tiny_pool(), config.data, CROP_SAMPLES, RATE_HZ)
    return SeparationTask(config, model, mixer)


def test_the_log_ratio_is_the_error_over_the_mixture_as_both_are_heard(monkeypatch):
    task = log_ratio_task()
    space = task.model.latent_space
    space.scale.copy_(torch.rand(space.scale.shape) + 0.5)
    vocals, rest = (0.1 * torch.randn(2, 3, 2, CROP_SAMPLES)).numpy()
    batch = task.examples(vocals, rest)
    monkeypatch.setattr(task.model.network, "forward", lambda state, *_: 0.0 * state)
    found = task.loss(batch, torch.Generator().manual_seed(0)).item()
    true, mixture = (space.codec.encode(torch.from_numpy(s)) for s in (vocals, vocals + rest))
    ratio = true.square().mean((1, 2)) / mixture.square().mean((1, 2))
    assert found == pytest.approx((ratio + LEAST_RATIO).log().mean().item(), rel=1e-4)


def test_silent_vocals_and_a_silent_estimate_give_the_least_log_ratio(monkeypatch):
    task = log_ratio_task()
    silence, rest = np.zeros((1, 2, CROP_SAMPLES), np.float32), np.ones((1, 2, CROP_SAMPLES))
    monkeypatch.setattr(task.model.network, "forward", lambda state, *_: 0.0 * state)
    batch = task.examples(silence, rest.astype(np.float32))
    found = task.loss(batch, torch.Generator().manual_seed(0)).item()
    assert found == pytest.approx(math.log(LEAST_RATIO), rel=1e-4)


def test_the_log_ratio_is_that_of_heads_where_a_network_has_some():
    model = tiny_model(
        network=SMALL_POSTERIOR,
        objective=PartConfig(name="v"),
        sampling=SamplingConfig(sampler="ddim"),
    )
    losses = []
    for loss in ("log_ratio", "square"):
        config = tiny_train_config(loss=loss)
        mixer = Mixer(tiny_pool(), config.data, CROP_SAMPLES, RATE_HZ)
        task = SeparationTask(config, model, mixer)
        batch = task.batch(np.random.default_rng(0))
        losses.append(task.loss(batch, torch.Generator().manual_seed(0)).item())
    clean, mixture, level = batch
    (estimate,), heard = (
        model.network.regress(model.condition(mixture)),
        level / model.latent_space.scale,
    )
    error, whole = ((x * heard).square().mean((1, 2)) for x in (estimate - clean, mixture))
    ratio = (error / whole + LEAST_RATIO).log().mean()
    difference = ratio - (estimate - clean).square().mean()
    assert losses[0] - losses[1] == pytest.approx(difference.item(), abs=1e-4)


@pytest.mark.parametrize(
    ("network", "regression_weight"), [({}, 1.0), ({"network": SMALL_POSTERIOR}, 0.0)]
)
def test_a_log_ratio_that_measures_no_estimate_is_refused(network, regression_weight):
    config = tiny_train_config(loss="log_ratio")
    model = tiny_model(
        objective=PartConfig(name="v", options={"regression_weight": regression_weight}),
        sampling=SamplingConfig(sampler="ddim"),
        **network,
    )
    mixer = Mixer(tiny_pool(), config.data, CROP_SAMPLES, RATE_HZ)
    with pytest.raises(ConfigError, match="loss: square"):
        SeparationTask(config, model, mixer)
