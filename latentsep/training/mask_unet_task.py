"""Training the baseline ``mask_unet``."""

import json

import numpy as np
import torch
from torch import Tensor, nn

from latentsep.audio.waveform import Waveform
from latentsep.training.config import ScheduleConfig
from latentsep.training.mask_unet import MAGNITUDE_FLOOR, MaskUNet, MaskUNetConfig
from latentsep.training.mixing import Mixer

GAIN_DEVIATION_DB = 4.0
"""Examples differ in level from their songs, and songs from each other."""
SETTLING_BATCHES = 16


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
        self.separates = True
        self.identity = json.dumps(config.mask_unet.model_dump(mode="json"))

    def prepare(self, rng: np.random.Generator) -> None:
        """Nothing has to be measured."""

    @torch.no_grad()
    def batch(self, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """Magnitudes of mixtures and vocals, ``[item, 2, bin, frame]``, at random levels."""
        mixture, voice = self.examples(*self.mixer.batch(self.config.batch_items, rng))
        gains = 10 ** (rng.normal(0, GAIN_DEVIATION_DB, (len(mixture), 1, 1, 1)) / 20)
        gain = torch.from_numpy(gains).float().to(mixture.device)
        return mixture * gain, voice * gain

    @torch.no_grad()
    def examples(self, vocals: Waveform, accompaniment: Waveform) -> tuple[Tensor, ...]:
        """Magnitudes of mixtures, with a mean of 1, and of vocals, ``[item, 2, bin, frame]``."""
        device = self.network.head.weight.device
        mixture_and_vocals = np.stack([vocals + accompaniment, vocals])
        magnitudes = self.network.spectra(torch.from_numpy(mixture_and_vocals).to(device)).abs()
        level = magnitudes[0].mean(dim=(1, 2, 3), keepdim=True).clamp(min=MAGNITUDE_FLOOR)
        mixture, voice = magnitudes / level
        return mixture, voice

    def loss(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
        """Mean absolute error of the masked magnitudes."""
        del generator
        mixture, vocals = batch
        return nn.functional.l1_loss(self.network(mixture) * mixture, vocals)

    def estimate(
        self, vocals: Waveform, accompaniment: Waveform, generator: torch.Generator
    ) -> Waveform:
        """The masked mixtures."""
        del generator
        rate_hz = self.config.mask_unet.sample_rate_hz
        mixtures = vocals + accompaniment
        return np.stack([self.network.separate(mixture, rate_hz) for mixture in mixtures])

    @torch.no_grad()
    def settle(self, rng: np.random.Generator) -> None:
        """Measure what normalisation keeps of the activations."""
        batches = (self.batch(rng)[0] for _ in range(SETTLING_BATCHES))
        torch.optim.swa_utils.update_bn(batches, self.network)
