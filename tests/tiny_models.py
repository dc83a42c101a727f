"""Models of a few thousand weights, with the shapes and seams of the large ones."""

import numpy as np
import torch
from torch import nn

from latentsep.models.config import ModelConfig
from latentsep.models.model import Model

RATE_HZ = 8_000
HOP_SAMPLES = 64
STRIDE_FRAMES = 4
RADIUS_FRAMES = 40

CONFIG = {
    "name": "tiny",
    "description": "for tests",
    "licence": "CC0-1.0",
    "codec": {
        "name": "mdct",
        "options": {
            "sample_rate_hz": RATE_HZ,
            "hop_samples": HOP_SAMPLES,
            "mid_bins": 32,
            "side_bins": 16,
        },
    },
    "network": {
        "name": "unet1d",
        "options": {
            "widths": [8, 12, 16],
            "blocks": 1,
            "bottom_dilations": [1, 2],
            "step_channels": 8,
        },
    },
    "objective": {"name": "bridge"},
    "level_radius_frames": 8,
    "chunk": {"frames": 128, "context_frames": RADIUS_FRAMES},
    "refinement": {"window_samples": 256},
}


class ChunkwideNetwork(nn.Module):
    """No local network: what it says of a frame depends on the mean of its whole chunk.

    Tests register it in ``NETWORKS`` themselves.
    """

    local = False
    receptive_radius_frames = 16
    stride_frames = 4

    def __init__(self, latent_channels):
        super().__init__()

    def condition(self, mixture):
        return (mixture,)

    def regress(self, condition):
        return ()

    def log_variance(self, condition):
        return None

    def forward(self, state, condition, sigma):
        clean = (state + condition[0]) / 2
        return clean * torch.sigmoid(4 * clean.mean(dim=2, keepdim=True))


def chunkwide_config(halo_frames=None, **changes):
    """The settings of a model with a ``ChunkwideNetwork``."""
    chunk = {"frames": 128, "context_frames": 16, "halo_frames": halo_frames}
    return tiny_config(network={"name": "chunkwide"}, chunk=chunk, **changes)


def tiny_config(**changes):
    """The settings of a tiny model; ``changes`` replace whole entries."""
    return ModelConfig.model_validate({**CONFIG, **changes})


def tiny_model(seed=0, **changes):
    """A tiny model whose weights, all of them, are random and not zero."""
    model = Model(tiny_config(**changes))
    randomise(model.network, seed)
    return model.eval().requires_grad_(False)


@torch.no_grad()
def randomise(module, seed):
    """Fill all parameters: matrices keep the power of what goes through, vectors stay small.

    A fresh network has zeros where it matters most and would hide what depends on what.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.ndim > 1:
            parameter.copy_(noise / parameter[0].numel() ** 0.5)
        elif name.endswith("weight"):  # the gain of a normalisation
            parameter.copy_(1 + 0.1 * noise)
        else:
            parameter.copy_(0.1 * noise)


def noise_waveform(seed, samples, channels=2):
    """White noise ``[channel, sample]`` float32, about -10 dB below full scale."""
    noise = np.random.default_rng(seed).standard_normal((channels, samples))
    return (0.3 * noise).astype(np.float32)


def difference_db(estimate, reference):
    """Power of the difference over the power of the reference."""
    reference = np.asarray(reference, np.float64)
    error = np.square(np.asarray(estimate, np.float64) - reference).sum()
    return 10 * np.log10(max(error / np.square(reference).sum(), 1e-30))
