"""A plain baseline: a 2-D U-Net that lays a mask over the mixture's magnitudes.

After A. Jansson et al., "Singing voice separation with deep U-Net convolutional networks", ISMIR
2017: strided convolutions down and up, skips between, a sigmoid mask, the mixture's phase. Smaller,
and in stereo. It knows nothing of codecs and of diffusion, so a model that is not better than this,
trained on the same data for as long, has gained nothing by them.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from latentsep.audio.resample import resample
from latentsep.audio.waveform import Waveform, with_length
from latentsep.models.config import Frozen, WeightsConfig
from latentsep.models.described import read_described, write_described
from latentsep.models.tensors import fill_tensors, write_tensors
from latentsep.separation.downmix import downmix

BASELINE_FILE = "mask_unet.yaml"
CARD_FILE = "BASELINE_CARD.md"
TENSORS_FILE = "mask_unet.safetensors"
CHUNK_FRAMES = 1024
"""Of which ``context_frames`` on either side are discarded."""
MAGNITUDE_FLOOR = 1e-4
"""Of magnitudes with a mean of 1."""


class MaskUNetConfig(Frozen):
    """Shape of the network and of the spectra it sees."""

    sample_rate_hz: PositiveInt = 44_100
    window_samples: PositiveInt = Field(
        2048, description="STFT window, a quarter of it from one to the next"
    )
    widths: tuple[PositiveInt, ...] = Field(
        (16, 32, 64, 96, 96), description="channels of each level; each halves bins and frames"
    )

    @property
    def hop_samples(self) -> int:
        """From one frame to the next."""
        return self.window_samples // 4


class BaselineFile(Frozen):
    """The whole of ``mask_unet.yaml``."""

    mask_unet: MaskUNetConfig
    weights: WeightsConfig


class MaskUNet(nn.Module):
    """Stereo magnitudes ``[item, 2, bin, frame]`` with a mean of 1 to masks of their shape, 0..1.

    Frames come in multiples of ``stride``. An output frame depends on ``context_frames`` on either
    side at most.
    """

    def __init__(self, config: MaskUNetConfig) -> None:
        super().__init__()
        self.config = config
        self.stride = 2 ** len(config.widths)
        self.context_frames = 4 * self.stride
        bins = config.window_samples // 2
        if bins % self.stride:
            raise ValueError(
                f"window_samples must be a multiple of {2 * self.stride}, twice the stride of "
                f"{len(config.widths)} levels, got {config.window_samples}"
            )
        down = [2, *config.widths]
        self.down = nn.ModuleList(_down(fine, coarse) for fine, coarse in pairwise(down))
        self.up = nn.ModuleList(_ups(config.widths))
        self.head = nn.ConvTranspose2d(
            2 * config.widths[0], 2, 5, stride=2, padding=2, output_padding=1
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, magnitudes: Tensor) -> Tensor:
        """Masks; the highest bin, which does not halve, has that of its neighbour."""
        x = torch.log(magnitudes[:, :, :-1].clamp(min=MAGNITUDE_FLOOR))
        x = x.contiguous(memory_format=torch.channels_last)
        skips = []
        for level in self.down:
            x = level(x)
            skips.append(x)
        x = skips.pop()
        for level in self.up:
            x = torch.cat([level(x), skips.pop()], dim=1)
        mask = torch.sigmoid(self.head(x).float())
        return torch.cat([mask, mask[:, :, -1:]], dim=2)

    def spectra(self, waveforms: Tensor) -> Tensor:
        """``[..., sample]`` to complex ``[..., bin, frame]``, a frame for each hop and one more."""
        config = self.config
        flat = torch.stft(
            waveforms.flatten(0, -2),
            config.window_samples,
            config.hop_samples,
            window=self._window(waveforms),
            return_complex=True,
        )
        return flat.reshape(*waveforms.shape[:-1], *flat.shape[1:])

    @torch.inference_mode()
    def separate(self, mixture: Waveform, sample_rate_hz: int) -> Waveform:
        """Vocals ``[channel, sample]`` of a recording of any rate and channel count."""
        config = self.config
        at_rate = torch.from_numpy(resample(mixture, sample_rate_hz, config.sample_rate_hz))
        samples = at_rate.shape[1]
        at_rate = nn.functional.pad(at_rate, (0, max(0, config.window_samples - samples)))
        device = self.head.weight.device
        mask = self._mask(self.spectra(downmix(at_rate).to(device)).abs()).cpu()
        if len(mixture) != 2:
            mask = mask.mean(dim=0, keepdim=True)
        masked = torch.istft(
            self.spectra(at_rate) * mask,
            config.window_samples,
            config.hop_samples,
            window=self._window(at_rate),
            length=at_rate.shape[1],
        )
        vocals = resample(masked[:, :samples].numpy(), config.sample_rate_hz, sample_rate_hz)
        return with_length(vocals, mixture.shape[1])

    def _mask(self, magnitudes: Tensor) -> Tensor:
        """Mask of a whole track ``[2, bin, frame]``, chunk by chunk, without seams."""
        context, frames = self.context_frames, magnitudes.shape[2]
        magnitudes = magnitudes / magnitudes.mean().clamp(min=MAGNITUDE_FLOOR)
        core = CHUNK_FRAMES - 2 * context
        chunks = -(-frames // core)
        padded = nn.functional.pad(magnitudes, (context, chunks * core - frames + context))
        masks = [
            self(padded[None, :, :, start : start + CHUNK_FRAMES])[
                0, :, :, context : context + core
            ]
            for start in range(0, chunks * core, core)
        ]
        return torch.cat(masks, dim=2)[:, :, :frames]

    def _window(self, like: Tensor) -> Tensor:
        return torch.hann_window(self.config.window_samples, device=like.device)


def save_mask_unet(folder: Path, network: MaskUNet, card: str) -> None:
    """Write a baseline's folder.

    Raises:
        ModelError: a weight is not finite as float16.
    """
    folder.mkdir(parents=True, exist_ok=True)
    digest = write_tensors(folder / TENSORS_FILE, network)
    weights = WeightsConfig(file=TENSORS_FILE, sha256=digest)
    described = BaselineFile(mask_unet=network.config, weights=weights)
    write_described(folder / BASELINE_FILE, described)
    (folder / CARD_FILE).write_text(card, encoding="utf-8")


def load_mask_unet(folder: Path) -> MaskUNet:
    """Read a baseline's folder, ready to separate, on the CPU.

    Raises:
        ModelError: the folder is none of a baseline, or is damaged.
    """
    described = read_described(folder / BASELINE_FILE, BaselineFile)
    network = MaskUNet(described.mask_unet)
    weights = described.weights
    fill_tensors(network, folder / weights.file, weights.sha256, BASELINE_FILE)
    return network.eval().requires_grad_(False)


def _down(fine: int, coarse: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(fine, coarse, 5, stride=2, padding=2),
        nn.BatchNorm2d(coarse),
        nn.LeakyReLU(0.2),
    )


def _ups(widths: Sequence[int]) -> list[nn.Module]:
    """From the deepest level to the finest but one; all but the first get a skip beside them."""
    levels: list[nn.Module] = []
    inputs = widths[-1]
    for fine in reversed(widths[:-1]):
        levels.append(
            nn.Sequential(
                nn.ConvTranspose2d(inputs, fine, 5, stride=2, padding=2, output_padding=1),
                nn.BatchNorm2d(fine),
                nn.ReLU(),
            )
        )
        inputs = 2 * fine
    return levels
