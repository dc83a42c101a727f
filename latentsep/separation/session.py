"""One track on its way through: blocks and vocals in, windows and stems out."""

from collections.abc import Iterator

import numpy as np
import torch

from latentsep.audio.resample import StreamResampler
from latentsep.audio.waveform import Waveform
from latentsep.errors import NonFiniteAudioError, NonFiniteSourceError
from latentsep.separation.buffer import SampleBuffer
from latentsep.separation.draws import SpreadLane
from latentsep.separation.noise import TrackNoise
from latentsep.separation.plan import WindowPlan
from latentsep.separation.stems import Stems
from latentsep.separation.windows import Window, WindowVocals


class TrackSession:
    """Bookkeeping of one track; holds about one window of audio, whatever the track's length.

    Push blocks, separate the ``windows`` that become ready in their order, ``accept`` their vocals
    in the same order, and take the ``stems`` that have become ready. After ``finish`` and the last
    window the stems are exactly as long as the blocks were.
    """

    def __init__(
        self,
        plan: WindowPlan,
        model_rate_hz: int,
        sample_rate_hz: int,
        channels: int,
        noise: TrackNoise,
    ) -> None:
        self.plan = plan
        self.rates_hz = (sample_rate_hz, model_rate_hz)
        self.channels = channels
        self.noise = noise
        self._source = SampleBuffer(channels)
        self._mixture = SampleBuffer(channels)
        self._to_model = StreamResampler(sample_rate_hz, model_rate_hz, channels)
        self._to_source = StreamResampler(model_rate_hz, sample_rate_hz, channels)
        self._cut = 0
        self._accepted = 0
        self._finished = False
        self._ready: list[Stems] = []
        self._spread: SpreadLane | None = None

    def push(self, block: Waveform) -> None:
        """Add ``[channel, sample]`` float32 at the track's own rate.

        Raises:
            ValueError: the block has another number of channels.
            NonFiniteSourceError: the block holds NaN or infinity.
        """
        if block.ndim != 2 or block.shape[0] != self.channels:
            raise ValueError(
                f"blocks of {self.channels} channels are wanted, got shape {block.shape}"
            )
        if not np.isfinite(block).all():
            raise NonFiniteSourceError(
                f"the source holds NaN or infinity after sample {self._source.end}; repair the file"
            )
        self._source.append(block)
        self._mixture.append(self._to_model.process(block))

    def finish(self) -> None:
        """Say that no block follows."""
        self._finished = True
        rate_hz, model_rate_hz = self.rates_hz
        samples = -(-self._source.end * model_rate_hz // rate_hz)
        self._mixture.append(self._to_model.finish(samples))

    @property
    def total_windows(self) -> int | None:
        """How many windows the track has; None before ``finish``."""
        return -(-self._mixture.end // self.plan.core_samples) if self._finished else None

    @property
    def done(self) -> bool:
        """Whether the last window was accepted."""
        return self._finished and self._accepted == self.total_windows

    def windows(self) -> Iterator[Window]:
        """Windows that are complete and were not given out yet, in order."""
        while True:
            start = self._cut * self.plan.core_samples - self.plan.halo_samples
            stop = start + self.plan.window_samples
            over = self._finished and self._cut == self.total_windows
            if over or (not self._finished and self._mixture.end < stop):
                return
            window = Window(
                mixture=torch.from_numpy(self._mixture.read(start, stop)),
                first_frame=self._cut * self.plan.core_hops,
                noise=self.noise,
            )
            self._cut += 1
            self._mixture.drop_before(start + self.plan.core_samples)
            yield window

    @property
    def draw_spread_db(self) -> float | None:
        """Spread of the draws to their mean over the windows so far, in dB.

        Variance of the vocals' latents over the draws, by the power of their mean; low where the
        model is sure. None where it is undefined: a single draw, silence, or equal draws.
        """
        return self._spread.total_db() if self._spread else None

    @property
    def draw_spread_by_second_db(self) -> list[float | None] | None:
        """The same for each second of the finished track, the last one maybe short.

        None for a single draw; seconds in which it is undefined are None.
        """
        seconds = -(-self._mixture.end // self.rates_hz[1])
        return self._spread.by_second_db(seconds) if self._spread else None

    def accept(self, window: WindowVocals) -> None:
        """Take what came of the next window.

        Raises:
            NonFiniteAudioError: its vocals hold NaN or infinity.
        """
        vocals = window.vocals
        if not torch.isfinite(vocals).all():
            start_s = self._accepted * self.plan.core_samples / self.rates_hz[1]
            raise NonFiniteAudioError(
                f"the model gave NaN or infinity in the window at {start_s:.1f} s"
            )
        self._accepted += 1
        last = self._accepted == self.total_windows
        start = (self._accepted - 1) * self.plan.core_samples
        samples = self._mixture.end - start if last else self.plan.core_samples
        if window.energies is not None:
            self._spread = self._spread or SpreadLane(self.plan.hop_samples, self.rates_hz[1])
            self._spread.add(window.energies[:, : -(-samples // self.plan.hop_samples)])
        self._emit(self._to_source.process(vocals.numpy()[:, :samples]))
        if last:
            self._emit(self._to_source.finish(self._source.end))

    def stems(self) -> Iterator[Stems]:
        """Stems that have become ready, in order, at the track's own rate."""
        ready, self._ready = self._ready, []
        yield from ready

    def _emit(self, vocals: Waveform) -> None:
        start = self._source.begin
        mixture = self._source.read(start, start + vocals.shape[1])
        self._source.drop_before(start + vocals.shape[1])
        if vocals.shape[1]:
            self._ready.append(Stems(mixture, vocals))
