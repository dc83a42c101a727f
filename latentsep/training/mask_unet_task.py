"""Training the baseline ``mask_unet``."""

import json

import numpy as np
import torch
from torch import Tensor, nn

from latentsep.training.config import ScheduleConfig
from latentsep.training.mask_unet import MAGNITUDE_FLOOR, MaskUNet, MaskUNetConfig
from latentsep.training.mixing import Mixer

GAIN_DEVIATION_DB = 4.0
"""Examples differ in level from their songs, and songs from each other."""


class MaskUNetTrainConfig(ScheduleConfig):
    """One training of the baseline; ``crop_frames`` are those of its spectra."""

    mask_unet: MaskUNetConfig


class MaskUNetTask:
    """The mask times the mixture's magnitudes has to be the vocals', by the mean absolute error."""

    def __init__(self, config: MaskUNetTrainConfig, network: MaskUNet, mixer: Mixer) -> None:
        self.config = config
        self.network = network
        self.mixer = mixer
        self.module: nn.Module = network
        self.statistics: dict[str, Tensor] = {}
        self.identity = json.dumps(config.mask_unet.model_dump(mode="json"))

    def prepare(self, rng: np.random.Generator) -> None:
        """Nothing has to be measured."""

    @torch.no_grad()
    def batch(self, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """Magnitudes of mixtures and vocals, ``[item, 2, bin, frame]``."""
        vocals, accompaniment = self.mixer.batch(self.config.batch_items, rng)
        device = self.network.head.weight.device
        mixture_and_vocals = np.stack([vocals + accompaniment, vocals])
        magnitudes = self.network.spectra(torch.from_numpy(mixture_and_vocals).to(device)).abs()
        gains = 10 ** (rng.normal(0, GAIN_DEVIATION_DB, (len(vocals), 1, 1, 1)) / 20)
        level = magnitudes[0].mean(dim=(1, 2, 3), keepdim=True).clamp(min=MAGNITUDE_FLOOR)
        mixture, voice = magnitudes * (torch.from_numpy(gains).float().to(device) / level)
        return mixture, voice

    def loss(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
        """Mean absolute error of the masked magnitudes."""
        del generator
        mixture, vocals = batch
        return nn.functional.l1_loss(self.network(mixture) * mixture, vocals)

    @torch.no_grad()
    def refresh_statistics(self, rng: np.random.Generator, batches: int = 16) -> None:
        """Measure anew what normalisation keeps of the activations: of the averaged weights."""
        torch.optim.swa_utils.update_bn((self.batch(rng)[0] for _ in range(batches)), self.network)
