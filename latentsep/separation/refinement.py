"""From the decoded vocals, the guide, to vocals: as they are, as a mask, or something of both.

The mask lies on the mixture's spectrum. The guide may be band-limited, smeared or out of phase;
only its magnitudes are used. The result has the mixture's phase, its full band and its true stereo
image. What it cannot do is bring out what the mixture cancels: there the guide itself may be the
better one, and ``blend`` weighs both, bin by bin.
"""

import torch
from torch import Tensor

from latentsep.models.config import RefinementConfig
from latentsep.separation.downmix import downmix

OVERLAP = 4
GUIDE_BAND_SHARE = 0.6
"""Above the codec's band the mask goes on as it was, on average, from 0.6 of the band upwards."""
POWER_FLOOR = 1e-12


def refine(
    guide: Tensor,
    mixture: Tensor,
    config: RefinementConfig,
    band_share: float,
    error: Tensor | None = None,
) -> Tensor:
    """Vocals ``[channel, sample]`` as ``config.mode`` wants them.

    A mixture of more than two channels is always masked: the guide has two.

    Args:
        guide: decoded vocals ``[2, sample]``.
        mixture: ``[channel, sample]`` at the same rate.
        config: mode, window and exponent.
        band_share: share of the spectrum the codec carries, 0..1.
        error: power of the guide's error by the guide's own ``[sample]``, where it is known.
    """
    if len(mixture) <= 2 and config.mode == "off":
        return _folded(guide, mixture)
    if len(mixture) <= 2 and config.mode == "blend":
        return blend_mixture(guide, mixture, config, band_share, error)
    return mask_mixture(guide, mixture, config, band_share)


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
    spectrum, voice = _stft(mixture, config), _stft(guide, config)
    masked = spectrum * _mask(voice, mixture, spectrum, config, band_share)
    return _istft(masked, config, mixture.shape[1])


def blend_mixture(
    guide: Tensor,
    mixture: Tensor,
    config: RefinementConfig,
    band_share: float,
    error: Tensor | None = None,
) -> Tensor:
    """Vocals of one or two channels out of the masked mixture and the guide, by ``confidence``.

    Above the codec's band, where there is no guide, stands the masked mixture.

    Arguments are those of ``refine``. The result ``[channel, sample]`` is exact from one window
    length after either end.
    """
    spectrum, voice = _stft(mixture, config), _stft(guide, config)
    masked = spectrum * _mask(voice, mixture, spectrum, config, band_share)
    generated = _folded(voice, mixture)
    weight = confidence(generated, masked, spectrum, _by_frame(error, spectrum, config))
    weight[:, _band_bins(spectrum, band_share) :] = 0
    return _istft(masked + weight * (generated - masked), config, mixture.shape[1])


def confidence(
    generated: Tensor, masked: Tensor, mixture: Tensor, error: Tensor | None = None
) -> Tensor:
    """How far the generated vocals are to be trusted beside the masked mixture, 0..1 by bin.

    Two estimates with independent errors combine best weighted by the inverse of their powers:
    ``c = e_mask / (e_mask + e_generated)``. A Wiener filter's error between a voice ``v`` and a
    rest ``r = m - v`` is ``|v|^2 |r|^2 / (|v|^2 + |r|^2)``, the variance of its posterior (Liutkus
    & Badeau, Generalized Wiener filtering with fractional power spectrograms, ICASSP 2015). The
    generated vocals' error is told by the spread of several draws. With a single one it is what
    the mask's own error leaves of the difference between the two, which by expectation is the sum
    of both errors; so where they agree, the generated vocals stand.

    Args:
        generated: spectrum of the generated vocals ``[channel, bin, frame]``.
        masked: spectrum of the masked mixture, of this shape.
        mixture: spectrum of the mixture, of this shape.
        error: power of the generated vocals' error by their own ``[frame]``.
    """
    voice, rest = _magnitude(generated, 2.0), _magnitude(mixture - generated, 2.0)
    masks_error = voice * rest / (voice + rest + POWER_FLOOR)
    if error is None:
        generated_error = (_magnitude(generated - masked, 2.0) - masks_error).clamp(min=0)
    else:
        generated_error = error * voice
    return masks_error / (masks_error + generated_error + POWER_FLOOR)


def _mask(
    voice: Tensor, mixture: Tensor, spectrum: Tensor, config: RefinementConfig, band_share: float
) -> Tensor:
    """Mask ``[1 or 2, bin, frame]`` on a mixture's spectrum by that of the guide."""
    stereo = spectrum if len(mixture) == 2 else _stft(downmix(mixture), config)
    voice_power = _magnitude(voice, config.power)
    rest_power = _magnitude(stereo - voice, config.power)
    mask = voice_power / (voice_power + rest_power + POWER_FLOOR)
    mask = _extend(mask, stereo, band_share)
    return mask if len(mixture) == 2 else mask.mean(dim=0, keepdim=True)


def _folded(guide: Tensor, mixture: Tensor) -> Tensor:
    """The guide, or its spectrum, in one channel where the mixture has one."""
    return guide.mean(dim=0, keepdim=True) if len(mixture) == 1 else guide


def _by_frame(error: Tensor | None, spectrum: Tensor, config: RefinementConfig) -> Tensor | None:
    """The value at the centre of each frame of a spectrum."""
    if error is None:
        return None
    centres = torch.arange(spectrum.shape[2], device=error.device)
    places = centres * (config.window_samples // OVERLAP)
    return error[places.clamp(max=len(error) - 1)]


def _band_bins(spectrum: Tensor, band_share: float) -> int:
    return max(1, round(spectrum.shape[1] * band_share))


def _extend(mask: Tensor, mixture: Tensor, band_share: float) -> Tensor:
    bins = mask.shape[1]
    end = _band_bins(mask, band_share)
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


def _istft(spectrum: Tensor, config: RefinementConfig, samples: int) -> Tensor:
    return torch.istft(
        spectrum,
        config.window_samples,
        config.window_samples // OVERLAP,
        window=_window(config, spectrum.real),
        length=samples,
    )


def _window(config: RefinementConfig, like: Tensor) -> Tensor:
    return torch.hann_window(config.window_samples, device=like.device, dtype=like.dtype)
