"""Training a model's network to separate; its codec stays as it is."""

import json

import numpy as np
import torch
from torch import Tensor, nn

from latentsep.audio.waveform import Waveform
from latentsep.denoisers.unet1d import SkipHead
from latentsep.diffusion.objectives import BridgeObjective, Error, mean_square
from latentsep.errors import ConfigError
from latentsep.models.model import Model
from latentsep.training.config import TrainConfig
from latentsep.training.mixing import Mixer

LEAST_RATIO = 1e-3
"""An error 30 dB below the mixture is as good as none: silent vocals must not rule the loss."""
SILENCE_POWER = 1e-12


class SeparationTask:
    """The network of a model, on mixtures that are made on the fly."""

    def __init__(self, config: TrainConfig, model: Model, mixer: Mixer) -> None:
        self.config = config
        self.model = model
        self.mixer = mixer
        self.module: nn.Module = model.network
        space = model.latent_space
        self.statistics = {"scale": space.scale, "shift": space.shift}
        self.separates = True
        _check_loss(config, model)
        self.identity = json.dumps(config.model.model_dump(mode="json"))

    def prepare(self, rng: np.random.Generator) -> None:
        """Set the scale of the latents, unless the training began with a model that has one."""
        if self.config.start_from is None:
            set_latent_scale(self.model, self.mixer, self.config, rng)

    def batch(self, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """Levelled latents of vocals and mixtures, and the level."""
        return self.examples(*self.mixer.batch(self.config.batch_items, rng))

    def examples(self, vocals: Waveform, accompaniment: Waveform) -> tuple[Tensor, ...]:
        """Levelled latents of vocals and mixtures, and the level."""
        return levelled(self.model, _tensor(vocals), _tensor(accompaniment))

    def loss(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
        """What the objective says of them."""
        clean, mixture, level = batch
        error = mean_square if self.config.loss == "square" else self._log_ratio(mixture, level)
        network = self.model.network
        return self.model.objective.loss(network, clean, mixture, generator, error)

    def _log_ratio(self, mixture: Tensor, level: Tensor) -> Error:
        """The error of each example by its mixture, of latents as loud as they are heard."""
        heard = level / self.model.latent_space.scale
        mixture_power = (mixture * heard).square().mean((1, 2)) + SILENCE_POWER

        def error(estimate: Tensor, truth: Tensor) -> Tensor:
            power = ((estimate - truth) * heard).square().mean((1, 2))
            return (power / mixture_power + LEAST_RATIO).log().mean()

        return error

    @torch.no_grad()
    def estimate(
        self, vocals: Waveform, accompaniment: Waveform, generator: torch.Generator
    ) -> Waveform:
        """The clean estimate of a single step, decoded."""
        model, space = self.model, self.model.latent_space
        mixture = space.encode(_tensor(vocals + accompaniment).to(space.scale.device))
        level = space.level(mixture)
        levelled = mixture / level
        noise = torch.randn(levelled.shape, generator=generator).to(levelled.device)
        start = model.objective.start(levelled, lambda: noise)
        first = model.objective.schedule(1)[0]
        clean = model.denoise(start, model.condition(levelled), first)
        estimate: Waveform = space.decode(clean * level).cpu().numpy()
        return estimate

    def settle(self, rng: np.random.Generator) -> None:
        """Nothing depends on the weights."""


@torch.no_grad()
def levelled(model: Model, vocals: Tensor, accompaniment: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Stems ``[item, channel, sample]`` -> latents of vocals and mixture, levelled; the level."""
    space = model.latent_space
    device = space.scale.device
    clean = space.encode(vocals.to(device))
    mixture = space.encode((vocals + accompaniment).to(device))
    level = space.level(mixture)
    return clean / level, mixture / level, level


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


def _check_loss(config: TrainConfig, model: Model) -> None:
    objective = model.objective
    heads_count = not isinstance(model.network, SkipHead) and objective.regression_weight > 0
    if config.loss != "square" and not heads_count and not isinstance(objective, BridgeObjective):
        raise ConfigError(
            f"loss {config.loss!r} is for clean estimates, and with regression_weight "
            f"{objective.regression_weight:g} the network {config.model.network.name!r} has none "
            f"for the objective {config.model.objective.name!r}; set loss: square, or take a "
            "network with regression heads and a regression_weight above 0"
        )


def _tensor(waveform: Waveform) -> Tensor:
    return torch.from_numpy(waveform)
