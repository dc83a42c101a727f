"""Sample-rate conversion of streams, without delay and to the sample."""

from typing import Any

import numpy as np
import soxr

from latentsep.audio.waveform import Waveform

# The steepest of soxr's filters that keeps the phase; one stereo minute takes well under a second.
QUALITY = "VHQ"


class StreamResampler:
    """Converts blocks of one stream; cutting the stream elsewhere gives the same samples.

    Sample ``n`` of the output lies at time ``n / output_rate_hz``: no delay is added. Equal rates
    pass through untouched.
    """

    def __init__(self, input_rate_hz: int, output_rate_hz: int, channels: int) -> None:
        for name, value in (("input_rate_hz", input_rate_hz), ("output_rate_hz", output_rate_hz)):
            if value <= 0:
                raise ValueError(f"{name} must be above 0, got {value}")
        self._channels = channels
        self._frames_out = 0
        self._is_finished = False
        self._stream: Any = None
        if input_rate_hz != output_rate_hz:
            self._stream = soxr.ResampleStream(
                input_rate_hz, output_rate_hz, channels, dtype="float32", quality=QUALITY
            )

    @property
    def is_active(self) -> bool:
        """Whether the rates differ, so that ``finish`` has samples to give."""
        return self._stream is not None

    def process(self, block: Waveform) -> Waveform:
        """Feed ``[channel, sample]``; what is ready comes out, which may be nothing at first.

        Raises:
            ValueError: another channel count than announced, or the stream was finished.
        """
        if self._is_finished or block.ndim != 2 or block.shape[0] != self._channels:
            state = "finished" if self._is_finished else "open"
            raise ValueError(
                f"block has shape {block.shape}, a stream of {self._channels} channels takes "
                f"[{self._channels}, sample] until it is finished; it is {state}"
            )
        return self._count(self._convert(block, last=False))

    def finish(self, total_output_samples: int) -> Waveform:
        """Last samples ``[channel, sample]``, so that ``total_output_samples`` came out in all.

        The converter's own length is within one sample of ``input samples * ratio``; it is cut, or
        filled with zeros.

        Raises:
            ValueError: more samples than that are out already.
        """
        if total_output_samples < self._frames_out:
            raise ValueError(
                f"total_output_samples is {total_output_samples}, "
                f"but {self._frames_out} samples are out already"
            )
        self._is_finished = True
        wanted = total_output_samples - self._frames_out
        rest = self._convert(np.zeros((self._channels, 0), np.float32), last=True)[:, :wanted]
        return self._count(np.pad(rest, ((0, 0), (0, wanted - rest.shape[1]))))

    def _convert(self, block: Waveform, *, last: bool) -> Waveform:
        if self._stream is None:
            return block
        frames = np.ascontiguousarray(block.T, np.float32)
        converted = self._stream.resample_chunk(frames, last=last)
        return np.ascontiguousarray(converted.T, np.float32)

    def _count(self, block: Waveform) -> Waveform:
        self._frames_out += block.shape[1]
        return block


def resampled_length(samples: int, input_rate_hz: int, output_rate_hz: int) -> int:
    """Samples that ``samples`` become at another rate; a half rounds up."""
    return (2 * samples * output_rate_hz + input_rate_hz) // (2 * input_rate_hz)


def resample(waveform: Waveform, input_rate_hz: int, output_rate_hz: int) -> Waveform:
    """Whole waveform ``[channel, sample]`` at another rate, ``resampled_length`` samples long."""
    resampler = StreamResampler(input_rate_hz, output_rate_hz, waveform.shape[0])
    start = resampler.process(waveform)
    length = resampled_length(waveform.shape[1], input_rate_hz, output_rate_hz)
    if input_rate_hz == output_rate_hz:
        return start
    return np.concatenate(
        [start[:, :length], resampler.finish(max(length, start.shape[1]))], axis=1
    )
