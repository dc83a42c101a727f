"""Training a model's network to separate; its codec stays as it is."""

import json

import numpy as np
import torch
from torch import Tensor, nn

from latentsep.models.model import Model
from latentsep.training.config import TrainConfig
from latentsep.training.mixing import Mixer


class SeparationTask:
    """The network of a model, on mixtures that are made on the fly."""

    def __init__(self, config: TrainConfig, model: Model, mixer: Mixer) -> None:
        self.config = config
        self.model = model
        self.mixer = mixer
        self.module: nn.Module = model.network
        space = model.latent_space
        self.statistics = {"scale": space.scale, "shift": space.shift}
        self.identity = json.dumps(config.model.model_dump(mode="json"))

    def prepare(self, rng: np.random.Generator) -> None:
        """Set the scale of the latents, unless the training began with a model that has one."""
        if self.config.start_from is None:
            set_latent_scale(self.model, self.mixer, self.config, rng)

    def batch(self, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """Levelled latents of vocals and mixtures."""
        vocals, accompaniment = self.mixer.batch(self.config.batch_items, rng)
        return levelled_pair(self.model, _tensor(vocals), _tensor(accompaniment))

    def loss(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
        """What the objective says of them."""
        clean, mixture = batch
        return self.model.objective.loss(self.model.network, clean, mixture, generator)


@torch.no_grad()
def levelled_pair(model: Model, vocals: Tensor, accompaniment: Tensor) -> tuple[Tensor, Tensor]:
    """Stems ``[item, channel, sample]`` -> latents of vocals and mixture, both levelled."""
    space = model.latent_space
    device = space.scale.device
    clean = space.encode(vocals.to(device))
    mixture = space.encode((vocals + accompaniment).to(device))
    level = space.level(mixture)
    return clean / level, mixture / level


@torch.no_grad()
def set_latent_scale(
    model: Model, mixer: Mixer, config: TrainConfig, rng: np.random.Generator
) -> None:
    """Set each latent channel's scale from vocals and mixtures of the training data.

    A codec that is not homogeneous has its channels' means taken out first.
    ``scale = deviation ** -scale_exponent``, then one factor for unit power overall. An exponent
    below 1 leaves loud channels louder, so that the loss still cares most for what is heard.
    """
    vocals, accompaniment = mixer.batch(config.scale_examples, rng)
    space = model.latent_space
    both = _tensor(np.concatenate([vocals, vocals + accompaniment]))
    latents = space.codec.encode(both.to(space.scale.device))
    if not space.codec.homogeneous:
        space.shift.copy_(latents.mean(dim=(0, 2))[:, None])
    power = (latents - space.shift).square().mean(dim=(0, 2))
    scale = (power + 1e-9).pow(-config.scale_exponent / 2)
    scale = scale / (power * scale.square()).mean().sqrt()
    space.scale.copy_(scale[:, None])


def _tensor(waveform: np.ndarray) -> Tensor:
    return torch.from_numpy(waveform)
