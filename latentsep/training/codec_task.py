"""Training the learned codec ``stft_ae`` on vocals and mixtures alike."""

import json

import numpy as np
import torch
from torch import Tensor, nn

from latentsep.audio.waveform import Waveform
from latentsep.codecs.level import local_power
from latentsep.codecs.stft_ae import POWER_FLOOR, StftAeCodec
from latentsep.training.config import CodecTrainConfig
from latentsep.training.mixing import Mixer

ENERGY_FLOOR = 1e-3
"""Share of an item's energy below which an error costs no more: -30 dB, beyond what is asked of a
compact codec."""
SILENCE = 1e-9
"""Added to an item's energy, so that silent items cost nothing."""


class CodecTask:
    """Encoder and decoder; the error is measured in MDCT frames, where it is the waveform's.

    Noise of up to ``config.latent_noise`` times the latents' level is added on the way: channels
    that hardly differ from noise are of no use, so the encoder spreads what it says evenly, and the
    decoder learns to stand a denoiser's remaining errors.
    """

    def __init__(self, config: CodecTrainConfig, codec: StftAeCodec, mixer: Mixer) -> None:
        self.config = config
        self.codec = codec
        self.mixer = mixer
        self.module: nn.Module = codec
        self.statistics = {"bin_scale": codec.bin_scale}
        self.separates = False
        self.identity = json.dumps(config.codec.model_dump(mode="json"))

    @torch.no_grad()
    def prepare(self, rng: np.random.Generator) -> None:
        """Set the spectra's scale, and start the linear paths at the principal components."""
        waveforms = self._vocals_and_mixtures(*self.mixer.batch(self.config.scale_examples, rng))
        codec, bins = self.codec, len(self.codec.bin_scale)
        raw = codec.spectra(waveforms)[:, :bins]
        power = raw.square().mean(dim=(0, 2))
        scale = (power + 1e-9 * power.mean()).pow(-self.config.scale_exponent / 2)
        codec.bin_scale.copy_((scale / (power * scale.square()).mean().sqrt())[:, None])
        self.codec.start_linear(raw * codec.bin_scale)

    def batch(self, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """Whitened spectra of vocals and mixtures."""
        return self.examples(*self.mixer.batch(self.config.batch_items, rng))

    @torch.no_grad()
    def examples(self, vocals: Waveform, accompaniment: Waveform) -> tuple[Tensor, ...]:
        """Whitened spectra of vocals and mixtures."""
        return (self.codec.spectra(self._vocals_and_mixtures(vocals, accompaniment)),)

    def loss(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
        """Error over energy in decibels, mean over items and over whitened and plain spectra."""
        codec = self.codec
        (spectra,) = batch
        wanted = spectra[:, : len(codec.bin_scale)]
        latents = self._noisy(codec.compress(spectra), generator)
        error = codec.expand(latents) - wanted
        losses = [
            relative_error_db(error * weight, wanted * weight)
            for weight in (1.0, 1 / codec.bin_scale)
        ]
        return torch.stack(losses).mean()

    @torch.no_grad()
    def estimate(
        self, vocals: Waveform, accompaniment: Waveform, generator: torch.Generator
    ) -> Waveform:
        """The vocals alone through encoder and decoder, without noise."""
        del accompaniment, generator
        latents = self.codec.encode(torch.from_numpy(vocals).to(self.codec.bin_scale.device))
        estimate: Waveform = self.codec.decode(latents).cpu().numpy()
        return estimate

    def settle(self, rng: np.random.Generator) -> None:
        """Nothing that a loss depends on; the bands are measured at the end."""

    def _vocals_and_mixtures(self, vocals: Waveform, accompaniment: Waveform) -> Tensor:
        both = torch.from_numpy(np.concatenate([vocals, vocals + accompaniment]))
        return both.to(self.codec.bin_scale.device)

    def _noisy(self, latents: Tensor, generator: torch.Generator) -> Tensor:
        power = local_power(latents, self.codec.level_radius_frames)
        level = power.clamp(min=POWER_FLOOR).sqrt()  # silence has no gradient of a root
        share = self.config.latent_noise * torch.rand(len(latents), 1, 1, generator=generator)
        noise = share * torch.randn(latents.shape, generator=generator)
        return latents + level * noise.to(latents.device)


def relative_error_db(error: Tensor, wanted: Tensor) -> Tensor:
    """Energy of the error by that wanted, ``[item, bin, frame]`` both, in dB; mean over items."""
    energy = wanted.square().sum(dim=(1, 2)) + SILENCE
    share = error.square().sum(dim=(1, 2)) / energy
    mean: Tensor = 10 * torch.log10(share + ENERGY_FLOOR).mean()
    return mean
