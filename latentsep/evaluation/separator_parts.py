"""Encoder, condition, network and decoder of a separator, one call at a time."""

from collections.abc import Callable

import torch

from latentsep.evaluation.device_peak import count_macs
from latentsep.separation.separator import Separator

Work = Callable[[], object]


class SeparatorParts:
    """The parts of a separator at work on chunks of noise, halo and all.

    Attributes:
        dtype: what condition and network calculate in.
        chunk_s: length of a chunk.
    """

    def __init__(self, separator: Separator) -> None:
        self._separator = separator
        model, plan = separator.model, separator.plan
        self.dtype: torch.dtype = getattr(torch, separator.options.precision)
        self.chunk_s = plan.chunk_frames * plan.hop_samples / separator.sample_rate_hz
        samples = (plan.chunk_frames - plan.extra_frames) * plan.hop_samples
        shape = (1, model.latent_space.codec.channels, samples)
        noise = 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(0))
        self._waveform = noise.to(separator.device)
        with torch.inference_mode():
            self._latents = model.latent_space.encode(self._waveform)

    def codec(self) -> dict[str, Work]:
        """Encoder and decoder of one chunk: a separation, too, gives them one item at a time."""
        space = self._separator.model.latent_space
        return {
            "encode": torch.inference_mode()(lambda: space.encode(self._waveform)),
            "decode": torch.inference_mode()(lambda: space.decode(self._latents)),
        }

    def network(self, chunks: int) -> dict[str, Work]:
        """Condition, once for all steps, and one call of the network, each of a batch."""
        model = self._separator.model
        level = self._separator.sampling.schedule[0]
        latents = self._latents.repeat(chunks, 1, 1)
        with torch.inference_mode():
            condition = model.condition(latents)
        return {
            "condition": self._autocast(lambda: model.condition(latents)),
            "network": self._autocast(lambda: model.denoise(latents, condition, level)),
        }

    def macs(self) -> dict[str, int]:
        """Multiply-adds of condition and one call of the network for one chunk."""
        return {name: count_macs(work) for name, work in self.network(1).items()}

    def _autocast(self, work: Work) -> Work:
        def run() -> object:
            enabled = self.dtype != torch.float32
            device_type = self._separator.device.type
            with torch.inference_mode(), torch.autocast(device_type, self.dtype, enabled=enabled):
                return work()

        return run
