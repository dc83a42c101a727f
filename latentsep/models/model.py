"""A model: latent space, network and objective, with its settings."""

from functools import partial

import torch
from torch import Tensor, nn

from latentsep.codecs import CODECS, Codec
from latentsep.denoisers import NETWORKS, Condition
from latentsep.diffusion.objectives import OBJECTIVES, Objective
from latentsep.diffusion.samplers import SAMPLERS, Sampler
from latentsep.diffusion.schedule import Level
from latentsep.errors import ModelError
from latentsep.models.config import ModelConfig, PartConfig, SamplingConfig
from latentsep.models.latent_space import LatentSpace

MODEL_CHANNELS = 2


class Model(nn.Module):
    """Everything that has tensors, built from its settings with untrained weights.

    Raises:
        ModelError: a part is unknown, or its options do not fit it or each other.
    """

    objective: Objective

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        codec = build_codec(config.codec)
        if codec.channels != MODEL_CHANNELS:
            raise ModelError(
                f"codec.options.channels must be {MODEL_CHANNELS}, got {codec.channels}; "
                "other layouts are mixed down and masked"
            )
        self.latent_space = LatentSpace(codec, config.level_radius_frames)
        network = PartConfig(
            name=config.network.name,
            options={"latent_channels": codec.latent_channels, **config.network.options},
        )
        if network.options["latent_channels"] != codec.latent_channels:
            raise ModelError(
                f"network.options.latent_channels is the codec's, {codec.latent_channels}, "
                f"got {network.options['latent_channels']}; leave it out"
            )
        self.network = _build("network", NETWORKS, network)
        self.objective = build_objective(config.objective)
        self.build_sampler(config.sampling)
        self._check_chunk()

    def condition(self, mixture: Tensor) -> Condition:
        """What the network makes of a mixture ``[item, latent_channel, frame]``, levelled."""
        condition: Condition = self.network.condition(mixture)
        return condition

    def denoise(self, state: Tensor, condition: Condition, level: Level) -> Tensor:
        """Clean estimate of a state, both ``[item, latent_channel, frame]``, levelled."""
        return self.objective.clean(self.network, state, condition, level).float()

    def draft(self, start: Tensor, condition: Condition) -> Tensor:
        """A first clean estimate, shaped as the start ``[item, latent_channel, frame]``, levelled.

        The best regression head's where the network has any, or else the one from the start.
        """
        heads = self.network.regress(condition)
        return heads[-1].float() if heads else self.denoise(start, condition, Level(0, 1))

    @torch.inference_mode()
    def draft_nfe(self) -> int:
        """Calls of the network for a draft."""
        codec = self.latent_space.codec
        silence = torch.zeros(1, codec.latent_channels, self.config.chunk.frames)
        heads = self.network.regress(self.condition(silence.to(self.latent_space.scale.device)))
        return 0 if heads else 1

    def build_sampler(self, sampling: SamplingConfig) -> Sampler:
        """A sampler of this model's latents.

        Raises:
            ModelError: it is unknown, cannot sample the objective, or its options do not fit.
        """
        check_sampler(sampling.sampler, self.config.objective)
        build = partial(SAMPLERS[sampling.sampler].build, self.latent_space.codec.band_centres_hz)
        part = PartConfig(name=sampling.sampler, options=sampling.options or {})
        sampler: Sampler = _build("sampler", {sampling.sampler: build}, part)
        return sampler

    def _check_chunk(self) -> None:
        chunk, stride = self.config.chunk, self.network.stride_frames
        if chunk.context_frames < self.network.receptive_radius_frames:
            raise ModelError(
                f"chunk.context_frames must be at least the network's receptive radius, "
                f"{self.network.receptive_radius_frames} frames, got {chunk.context_frames}"
            )
        context = -(-chunk.context_frames // stride) * stride
        if chunk.frames % stride or chunk.frames < 2 * context + stride:
            raise ModelError(
                f"chunk.frames must be a multiple of {stride} and leave at least {stride} frames "
                f"between two contexts of {context}, got {chunk.frames}"
            )


def build_codec(part: PartConfig) -> Codec:
    """A codec from its settings, with untrained weights where it has any.

    Raises:
        ModelError: it is unknown, or its options do not fit.
    """
    codec: Codec = _build("codec", CODECS, part)
    return codec


def build_objective(part: PartConfig) -> Objective:
    """An objective from its settings.

    Raises:
        ModelError: it is unknown, or its options do not fit.
    """
    objective: Objective = _build("objective", OBJECTIVES, part)
    return objective


def check_sampler(sampler: str, objective: PartConfig) -> None:
    """Refuse a sampler that is unknown or cannot walk the objective's process.

    Raises:
        ModelError: says which samplers can.
    """
    if sampler not in SAMPLERS:
        raise ModelError(_unknown("sampler", sampler, SAMPLERS))
    process = build_objective(objective).process
    allowed = [name for name, kind in sorted(SAMPLERS.items()) if process in kind.processes]
    if sampler not in allowed:
        raise ModelError(
            f"sampler {sampler!r} cannot sample objective {objective.name!r}, a {process}; "
            f"allowed are {', '.join(allowed)}"
        )


def _build(kind: str, registry: dict, part: PartConfig):  # type: ignore[no-untyped-def,type-arg] # noqa: ANN202
    if part.name not in registry:
        raise ModelError(_unknown(kind, part.name, registry))
    try:
        return registry[part.name](**part.options)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{kind} {part.name!r} cannot be built from {part.options}: {error}"
        ) from error


def _unknown(kind: str, name: str, registry: dict) -> str:  # type: ignore[type-arg]
    return f"unknown {kind} {name!r}; known: {', '.join(sorted(registry))}"
