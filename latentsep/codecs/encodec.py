"""EnCodec (Défossez, Copet, Synnaeve and Adi, 2022, arXiv 2210.13438), continuous latents.

The networks are those of ``transformers``; sizes are those of facebook/encodec_24khz and
facebook/encodec_48khz. Both end in recurrent layers, so their reach is a distance beyond which a
change is small. It was measured with random weights; ``codecs.reach`` measures it with others.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from latentsep.codecs.base import check_latents, check_numbers, check_waveform, full_band
from latentsep.codecs.mono import MonoCodec
from latentsep.codecs.sliding import per_sample, slide_norms, sliding_mean
from latentsep.codecs.transformers_codec import TransformersCodec, changed_architecture

_SIZES = {
    "hidden_size": 128,
    "num_filters": 32,
    "num_residual_layers": 1,
    "upsampling_ratios": [8, 5, 4, 2],
    "kernel_size": 7,
    "last_kernel_size": 7,
    "residual_kernel_size": 3,
    "dilation_growth_rate": 2,
    "compress": 2,
    "num_lstm_layers": 2,
}
ENCODEC_24KHZ: Mapping[str, Any] = {"sampling_rate": 24_000, **_SIZES}
ENCODEC_48KHZ: Mapping[str, Any] = {"sampling_rate": 48_000, **_SIZES}

_KIND = {"pad_mode": "reflect", "trim_right_ratio": 1.0, "use_conv_shortcut": True}
_MONO = {**_KIND, "audio_channels": 1, "norm_type": "weight_norm", "use_causal_conv": True}
_STEREO = {**_KIND, "audio_channels": 2, "norm_type": "time_group_norm", "use_causal_conv": False}

STATISTICS_S = 1.0
"""Whole length of the triangle under which levels and normalisations of the stereo codec are taken:
a segment of the published use."""
LEVEL_KNEE = 1e-4
"""Root mean square, full scale 1, above which the stereo codec's level channel is logarithmic."""
LEVEL_FLOOR = 1e-12
"""What is quieter than this is not brought to level 1 before it is encoded."""


class EncodecMonoCodec(MonoCodec):
    """Causal EnCodec of mono waveforms, used twice for stereo; see ``MonoCodec``.

    Args:
        architecture: changes of ``ENCODEC_24KHZ``.
        stereo: ``mid_side`` or ``left_right``.
        reach_frames: see ``Codec``.

    Raises:
        ValueError: impossible options.
        ModelError: transformers is not installed.
    """

    exact_reach = False
    homogeneous = False

    def __init__(
        self,
        architecture: Mapping[str, Any] | None = None,
        stereo: str = "mid_side",
        reach_frames: int = 75,
    ) -> None:
        check_numbers(reach_frames=reach_frames)
        changed = changed_architecture(ENCODEC_24KHZ, architecture)
        super().__init__("Encodec", {**_MONO, **changed}, stereo)
        self.reach_frames = reach_frames


class EncodecStereoCodec(TransformersCodec):
    """EnCodec of stereo waveforms, with the level in a latent channel of its own.

    The published network normalises every layer over time (``time_group_norm``), the decoder's last
    one included. So its output has one fixed level whatever was encoded, digital silence included,
    and the level of vocals relative to their mixture is not in its latents. The published use
    divides each second by the level of its mono mix, and a second without one (left = -right)
    explodes. Over a whole window, passages of it would change each other: with random weights,
    latents of a quiet second moved by -13 dB when a loud one followed (docs/codecs.md).

    Here means and variances slide with the frame over a second, a segment of the published use, so
    that windows join. The waveform is divided by its local level, over both channels, and the level
    goes along as the last latent channel, ``log1p(root mean square / LEVEL_KNEE)``. What the
    decoder gives is brought to that level. Silence has level 0 and decodes to silence; left =
    -right has a level as anything else.

    Args:
        architecture: changes of ``ENCODEC_48KHZ``.
        reach_frames: see ``Codec``.

    Raises:
        ValueError: impossible options.
        ModelError: transformers is not installed.
    """

    channels = 2
    extra_frames = 0
    exact_reach = False
    homogeneous = False
    band_centres_hz: Tensor

    def __init__(
        self, architecture: Mapping[str, Any] | None = None, reach_frames: int = 225
    ) -> None:
        check_numbers(reach_frames=reach_frames)
        changed = changed_architecture(ENCODEC_48KHZ, architecture)
        super().__init__("Encodec", {**_STEREO, **changed})
        self.latent_channels = self.hidden_channels + 1
        self.register_buffer("band_centres_hz", full_band(self.latent_channels), persistent=False)
        self.reach_frames = reach_frames
        self.radius_frames = round(STATISTICS_S / 2 * self.sample_rate_hz / self.hop_samples)
        slide_norms(self.encoder, self.hop_samples, self.radius_frames)
        slide_norms(self.decoder, 1, self.radius_frames)

    def encode(self, waveform: Tensor) -> Tensor:
        """``[item, 2, hops * hop]`` -> ``[item, latent_channel, hops]``, the level last."""
        check_waveform(self, waveform)
        # One item at a time: see MonoCodec.
        return torch.cat([self._encode_item(item[None]) for item in waveform])

    def decode(self, latents: Tensor) -> Tensor:
        """``[item, latent_channel, hops]`` -> ``[item, 2, hops * hop]``."""
        check_latents(self, latents)
        return torch.cat([self._decode_item(item[None]) for item in latents])

    def _encode_item(self, waveform: Tensor) -> Tensor:
        level = self._level(waveform)
        levelled = waveform / per_sample(level.clamp(min=LEVEL_FLOOR), self.hop_samples)
        # Not the level itself: what is divided by a sliding level is not of level 1 everywhere, and
        # a decoder that gives back what was encoded shall give back the waveform.
        loudness = torch.log1p(level * self._level(levelled) / LEVEL_KNEE)
        return torch.cat([self.encoder(levelled), loudness], dim=1)

    def _decode_item(self, latents: Tensor) -> Tensor:
        waveform: Tensor = self.decoder(latents[:, :-1])
        level = LEVEL_KNEE * torch.expm1(latents[:, -1:].clamp(min=0))
        gain = level / self._level(waveform).clamp(min=LEVEL_FLOOR)
        return waveform * per_sample(gain, self.hop_samples)

    def _level(self, waveform: Tensor) -> Tensor:
        """Root mean square ``[1, 1, frame]`` around each frame, of both channels."""
        power = waveform.square().mean(dim=1, keepdim=True)
        return sliding_mean(power, self.hop_samples, self.radius_frames).sqrt()
