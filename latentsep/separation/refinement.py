"""A soft mask on the mixture's spectrum, guided by the decoded vocals.

The guide may be band-limited, smeared or out of phase; only its magnitudes are used. The result has
the mixture's phase, its full band and its true stereo image.
"""

import torch
from torch import Tensor

from latentsep.models.config import RefinementConfig
from latentsep.separation.downmix import downmix

OVERLAP = 4
GUIDE_BAND_SHARE = 0.6
"""Above the codec's band the mask goes on as it was, on average, from 0.6 of the band upwards."""
POWER_FLOOR = 1e-12


def mask_mixture(
    guide: Tensor, mixture: Tensor, config: RefinementConfig, band_share: float
) -> Tensor:
    """Vocals by masking the mixture.

    The mask is ``|v|^p / (|v|^p + |m - v|^p)`` per channel, a Wiener filter for ``p = 2``. A
    mixture of other than two channels is masked by the mean over the guide's two.

    Args:
        guide: decoded vocals ``[2, sample]``.
        mixture: ``[channel, sample]`` at the same rate.
        config: window and exponent.
        band_share: share of the spectrum the codec carries, 0..1.

    Returns:
        Vocals ``[channel, sample]``; exact from one window length after either end.
    """
    spectrum = _stft(mixture, config)
    voice = _stft(guide, config)
    stereo = spectrum if len(mixture) == 2 else _stft(downmix(mixture), config)
    voice_power = _magnitude(voice, config.power)
    rest_power = _magnitude(stereo - voice, config.power)
    mask = voice_power / (voice_power + rest_power + POWER_FLOOR)
    mask = _extend(mask, stereo, band_share)
    if len(mixture) != 2:
        mask = mask.mean(dim=0, keepdim=True)
    return torch.istft(
        spectrum * mask,
        config.window_samples,
        config.window_samples // OVERLAP,
        window=_window(config, mixture),
        length=mixture.shape[1],
    )


def _extend(mask: Tensor, mixture: Tensor, band_share: float) -> Tensor:
    bins = mask.shape[1]
    end = max(1, round(bins * band_share))
    if end >= bins:
        return mask
    begin = min(round(end * GUIDE_BAND_SHARE), end - 1)
    power = _magnitude(mixture[:, begin:end], 2.0) + POWER_FLOOR
    level = (mask[:, begin:end] * power).sum(dim=1, keepdim=True) / power.sum(dim=1, keepdim=True)
    return torch.cat([mask[:, :end], level.expand(-1, bins - end, -1)], dim=1)


def _magnitude(spectrum: Tensor, exponent: float) -> Tensor:
    """``|spectrum| ** exponent``; the square is much cheaper than the absolute value."""
    power = spectrum.real.square().addcmul_(spectrum.imag, spectrum.imag)
    return power if exponent == 2 else power.pow(exponent / 2)


def _stft(waveform: Tensor, config: RefinementConfig) -> Tensor:
    return torch.stft(
        waveform,
        config.window_samples,
        config.window_samples // OVERLAP,
        window=_window(config, waveform),
        return_complex=True,
    )


def _window(config: RefinementConfig, like: Tensor) -> Tensor:
    return torch.hann_window(config.window_samples, device=like.device, dtype=like.dtype)
