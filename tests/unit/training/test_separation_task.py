import numpy as np
import pytest
import torch
from tiny_models import RATE_HZ, tiny_model
from tiny_training import tiny_pool, tiny_train_config

from latentsep.training.mixing import Mixer
from latentsep.training.separation_task import levelled_pair, set_latent_scale

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
    clean, mixture = levelled_pair(model, vocals, rest)
    space = model.latent_space
    level = space.level(space.encode(vocals + rest))
    torch.testing.assert_close(clean * level, space.encode(vocals))
    torch.testing.assert_close(mixture * level, space.encode(vocals + rest))
