"""What is scored: separators, and the references that stand in every table beside them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import torch

from latentsep.audio.resample import resample
from latentsep.audio.waveform import Waveform, with_length
from latentsep.evaluation.centre import separate_centre
from latentsep.evaluation.repet_sim import separate_repet_sim
from latentsep.evaluation.songs import TrueSong
from latentsep.models.config import RefinementConfig
from latentsep.models.folder import load_model
from latentsep.models.model import Model
from latentsep.separation.downmix import downmix
from latentsep.separation.options import SeparationOptions
from latentsep.separation.refinement import mask_mixture
from latentsep.separation.separator import Separator, pick_device
from latentsep.training.mask_unet import load_mask_unet

IDEAL_MASK = RefinementConfig(window_samples=4096, power=1.0)


@dataclass(frozen=True)
class Estimate:
    """Both stems of a song as a system has them, ``[channel, sample]``."""

    vocals: Waveform
    accompaniment: Waveform


System = Callable[[TrueSong], Estimate]
"""Estimates the stems of a song; only an oracle looks at the true ones."""


@dataclass(frozen=True)
class Variant:
    """A model and how it is run."""

    label: str
    model: str
    options: SeparationOptions


@dataclass(frozen=True)
class Contest:
    """Everything that is scored; each process makes the systems anew.

    Attributes:
        variants: models, in the order of the table.
        baseline: folder of a trained mask U-Net.
        device: where the baseline runs; each variant has its own.
    """

    variants: Sequence[Variant] = field(default_factory=tuple)
    baseline: Path | None = None
    device: str = "auto"

    def systems(self) -> dict[str, System]:
        """By name, in the order of the table.

        Raises:
            ModelError: a model or the baseline cannot be read.
            ConfigError: an option is impossible for its model.
        """
        load = cache(load_model)
        systems = {**REFERENCES}
        models = dict.fromkeys(variant.model for variant in self.variants)
        for name in models:
            own = f"codec of {Path(name).resolve().name}"
            label = "codec alone" if len(models) == 1 else own
            systems[label] = codec_ceiling(load(name))
        if self.baseline is not None:
            network = load_mask_unet(self.baseline).to(pick_device(self.device))
            systems["mask U-Net"] = by_vocals(network.separate)
        for variant in self.variants:
            separator = Separator(load(variant.model), variant.options)
            systems[variant.label] = model_system(separator)
        return systems


def by_vocals(separate: Callable[[Waveform, int], Waveform]) -> System:
    """A system from what makes vocals of a mixture and its rate; they leave the accompaniment."""

    def system(song: TrueSong) -> Estimate:
        vocals = separate(song.mixture, song.sample_rate_hz)
        return Estimate(vocals, song.mixture - vocals)

    return system


def model_system(separator: Separator) -> System:
    """A separator as a system; a song's noise goes by its name."""

    def system(song: TrueSong) -> Estimate:
        stems = separator.separate(song.mixture, song.sample_rate_hz, song.name)
        return Estimate(stems.vocals, stems.accompaniment)

    return system


def mixture_as_it_is(song: TrueSong) -> Estimate:
    """The mixture for either stem: what there is before any separation."""
    return Estimate(song.mixture, song.mixture)


def ideal_ratio_mask(song: TrueSong) -> Estimate:
    """The mixture under the mask ``|v| / (|v| + |a|)`` of its true stems, per channel and bin.

    Windows of 4096 samples, a quarter of it apart. What no soft mask of its kind is meant to pass.
    """
    guide = downmix(torch.from_numpy(song.vocals))
    mixture = torch.from_numpy(song.mixture)
    missing = max(0, IDEAL_MASK.window_samples - mixture.shape[1])
    guide, mixture = (torch.nn.functional.pad(x, (0, missing)) for x in (guide, mixture))
    vocals = mask_mixture(guide, mixture, IDEAL_MASK, band_share=1.0).numpy()
    vocals = vocals[:, : song.mixture.shape[1]]
    return Estimate(vocals, song.mixture - vocals)


REFERENCES: dict[str, System] = {
    "mixture": mixture_as_it_is,
    "centre": by_vocals(separate_centre),
    "REPET-SIM": by_vocals(separate_repet_sim),
    "ideal mask": ideal_ratio_mask,
}
"""In every table."""


def codec_ceiling(model: Model) -> System:
    """The true vocals through the model's codec and back: what unmasked output cannot pass."""
    codec = model.latent_space.codec

    @torch.inference_mode()
    def ceiling(song: TrueSong) -> Estimate:
        device = model.latent_space.scale.device
        vocals = resample(song.vocals, song.sample_rate_hz, codec.sample_rate_hz)
        stereo = downmix(torch.from_numpy(vocals)).to(device)
        hops = -(-stereo.shape[1] // codec.hop_samples)
        padded = torch.nn.functional.pad(stereo, (0, hops * codec.hop_samples - stereo.shape[1]))
        decoded = codec.decode(codec.encode(padded[None]))[0, :, : stereo.shape[1]].cpu().numpy()
        kept = decoded if len(vocals) == 2 else decoded.mean(axis=0, keepdims=True)
        back = resample(kept, codec.sample_rate_hz, song.sample_rate_hz)
        # One channel serves for all of a layout that is mixed down.
        vocals = np.broadcast_to(with_length(back, song.vocals.shape[1]), song.vocals.shape)
        return Estimate(vocals, song.mixture - vocals)

    return ceiling
