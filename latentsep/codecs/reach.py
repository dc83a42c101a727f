"""How far a change travels through a codec: what ``reach_frames`` of an inexact one rests on."""

import torch
from torch import Tensor

from latentsep.codecs.base import Codec


@torch.inference_mode()
def encoder_spill_db(codec: Codec, waveform: Tensor, generator: torch.Generator) -> Tensor:
    """What noise in the middle hop of ``[1, channel, sample]`` moves beyond each distance.

    Returns:
        ``[distance]``: energy of what moves in latents more than so many frames away, over all that
        moves, in dB; -infinity where nothing does.
    """
    hops = waveform.shape[2] // codec.hop_samples
    middle = slice(hops // 2 * codec.hop_samples, (hops // 2 + 1) * codec.hop_samples)
    changed = _with_noise(waveform, middle, generator)
    moved = (codec.encode(changed) - codec.encode(waveform)).double().square().sum(dim=(0, 1))
    return _beyond_db(moved[:hops], hops // 2)


@torch.inference_mode()
def decoder_spill_db(codec: Codec, latents: Tensor, generator: torch.Generator) -> Tensor:
    """What noise in the middle frame of ``[1, latent_channel, frame]`` moves in the waveform.

    Returns:
        See ``encoder_spill_db``.
    """
    middle = latents.shape[2] // 2
    changed = _with_noise(latents, slice(middle, middle + 1), generator)
    moved = (codec.decode(changed) - codec.decode(latents)).double().square().sum(dim=(0, 1))
    return _beyond_db(moved.reshape(-1, codec.hop_samples).sum(dim=1), middle)


def _with_noise(x: Tensor, place: slice, generator: torch.Generator) -> Tensor:
    """Noise of each channel's own deviation added at a place."""
    changed = x.clone()
    noise = torch.randn(changed[:, :, place].shape, generator=generator).to(x)
    changed[:, :, place] += noise * x.std(dim=2, keepdim=True)
    return changed


def _beyond_db(moved: Tensor, origin: int) -> Tensor:
    distances = (torch.arange(len(moved), device=moved.device) - origin).abs()
    beyond = [moved[distances > distance].sum() for distance in range(origin)]
    return 10 * torch.log10(torch.stack(beyond) / moved.sum())
