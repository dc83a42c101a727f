"""The separator: a model and the dials of a run, for arrays and for streams. Without Ray."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import ValidationError

from latentsep.audio.limits import MAX_CHANNELS, MAX_SAMPLE_RATE_HZ, MIN_SAMPLE_RATE_HZ
from latentsep.audio.waveform import Waveform
from latentsep.errors import ConfigError
from latentsep.models.config import explain
from latentsep.models.folder import load_model
from latentsep.models.model import Model
from latentsep.separation.batching import CudaMemory, find_batch_chunks, separate_within_memory
from latentsep.separation.noise import TrackNoise
from latentsep.separation.options import SeparationOptions
from latentsep.separation.plan import plan_windows
from latentsep.separation.sampling import choose_sampling
from latentsep.separation.session import TrackSession
from latentsep.separation.stems import Stems
from latentsep.separation.windows import Window, WindowSeparator, WindowVocals

BLIND_BATCH_CHUNKS = 16
"""Of devices that do not tell how much memory they have."""


@dataclass(frozen=True)
class Track:
    """One recording in memory."""

    track_id: str
    waveform: Waveform
    sample_rate_hz: int


class Separator:
    """Splits mixtures into vocals and accompaniment.

    The result of a track depends on its samples, its id (only where noise is drawn), the model and
    the options: not on its companions, their order, or where a stream was cut into blocks.

    Attributes:
        sampling: sampler, steps and draws, the options' or the model's own.
    """

    def __init__(self, model: Model, options: SeparationOptions | None = None) -> None:
        self.options = options or SeparationOptions()
        self.device = pick_device(self.options.device)
        self.model = model.to(self.device)
        self.sampling = choose_sampling(model.config, self.options)
        self.plan = plan_windows(model, self.options, self.sampling.passes)
        refinement = model.config.refinement
        if self.options.refinement is not None:
            refinement = refinement.model_copy(update={"mode": self.options.refinement})
        self._windows = WindowSeparator(
            model,
            self.plan,
            sampling=self.sampling,
            batch_chunks=1,
            refinement=refinement,
            device=self.device,
            dtype=getattr(torch, self.options.precision),
        )
        self._windows.batch_chunks = self.options.batch_chunks or self._own_batch_chunks()
        if self.options.compile:
            # Not before: each size that is tried would be compiled.
            self.model.network.compile(dynamic=False)

    @classmethod
    def from_pretrained(
        cls, name_or_folder: str | Path = "default", **options: object
    ) -> "Separator":
        """A separator with a bundled model, or one from a folder.

        Args:
            name_or_folder: a name of ``latentsep models``, or a model folder.
            options: fields of ``SeparationOptions``.

        Raises:
            ModelError: the model is unknown or damaged.
            ConfigError: an option is impossible for it.
        """
        try:
            checked = SeparationOptions.model_validate(options)
        except ValidationError as error:
            allowed = ", ".join(SeparationOptions.model_fields)
            raise ConfigError(f"{explain(error)}; options are {allowed}") from error
        return cls(load_model(name_or_folder), checked)

    @property
    def sample_rate_hz(self) -> int:
        """The rate the model works at; any other is resampled on the way in and out."""
        return self.model.latent_space.codec.sample_rate_hz

    @property
    def steps(self) -> int:
        """Sampler steps, the options' or the model's own."""
        return self.sampling.config.steps

    @property
    def nfe(self) -> int:
        """Calls of the network per chunk, for all steps and draws."""
        drafts = 0 if self.sampling.warm_start is None else self.model.draft_nfe()
        return self.sampling.nfe(drafts)

    @property
    def batch_chunks(self) -> int:
        """Chunks per call of the network; falls where the device's memory runs out."""
        return self._windows.batch_chunks

    @property
    def windows_per_call(self) -> int:
        """How many windows fill one batch."""
        return max(1, self.batch_chunks // self.plan.window_chunks)

    @property
    def calls_per_window(self) -> int:
        """Calls of the network for one window: its chunks times ``nfe``."""
        return self.plan.window_chunks * self.nfe

    def separate(self, waveform: Waveform, sample_rate_hz: int, track_id: str = "") -> Stems:
        """Separate one recording in memory.

        Args:
            waveform: ``[channel, sample]`` float, full scale -1..1.
            sample_rate_hz: its rate, 8 to 192 kHz.
            track_id: names the noise, where the sampler draws any.

        Returns:
            Stems of the same shape and rate; their sum is the mixture up to float rounding.

        Raises:
            ValueError: the array is not float ``[channel, sample]``, or is empty; the rate or the
                number of channels is none of a recording.
            NonFiniteAudioError: NaN or infinity in the waveform or out of the model.
        """
        (stems,) = self.separate_many([Track(track_id, waveform, sample_rate_hz)])
        return stems

    def separate_many(self, tracks: Iterable[Track]) -> Iterator[Stems]:
        """Separate several recordings, in their order; their windows share batches.

        Raises:
            ValueError, NonFiniteAudioError: as ``separate``, at the first such track.
        """
        batch: list[tuple[TrackSession, Window]] = []
        open_tracks: list[tuple[TrackSession, list[Stems]]] = []
        for track in tracks:
            session = self._pushed(track)
            open_tracks.append((session, []))
            for window in session.windows():
                batch.append((session, window))
                if len(batch) >= self.windows_per_call:
                    self._run(batch)
                    batch = []
            yield from _pop_done(open_tracks)
        if batch:
            self._run(batch)
        yield from _pop_done(open_tracks)

    def stream(
        self, blocks: Iterable[Waveform], sample_rate_hz: int, channels: int, track_id: str = ""
    ) -> Iterator[Stems]:
        """Separate a stream of blocks ``[channel, sample]`` in bounded memory.

        Raises:
            ValueError: rate, channels or a block are none of a recording.
            NonFiniteAudioError: as ``separate``.

        Yields:
            Stems in order, as they become ready; together exactly as long as the blocks.
        """
        yield from self.run(self.session(sample_rate_hz, channels, track_id), blocks)

    def run(self, session: TrackSession, blocks: Iterable[Waveform]) -> Iterator[Stems]:
        """``stream`` for a caller who keeps the session, which knows the spread of the draws.

        Raises:
            ValueError, NonFiniteAudioError: as ``stream``.
        """
        waiting: list[Window] = []
        for block in blocks:
            session.push(block)
            waiting.extend(session.windows())
            while len(waiting) >= self.windows_per_call:
                self._advance(session, waiting)
                yield from session.stems()
        session.finish()
        waiting.extend(session.windows())
        while waiting:
            self._advance(session, waiting)
            yield from session.stems()

    def session(self, sample_rate_hz: int, channels: int, track_id: str = "") -> TrackSession:
        """Start one track whose windows the caller batches itself, with ``separate_windows``.

        Raises:
            ValueError: the rate or the number of channels is none of a recording.
        """
        _check_format(sample_rate_hz, channels)
        codec = self.model.latent_space.codec
        noise = TrackNoise(self.options.seed, track_id, codec.latent_channels)
        return TrackSession(self.plan, codec.sample_rate_hz, sample_rate_hz, channels, noise)

    def separate_windows(self, windows: list[Window]) -> list[WindowVocals]:
        """What comes of windows of any tracks, in their order.

        ``batching.separate_within_memory`` does the same and survives too little memory.

        Raises:
            torch.OutOfMemoryError: the batch does not fit into the device's memory.
        """
        return self._windows.separate(windows)

    def shrink_batch(self) -> bool:
        """Halve ``batch_chunks`` for good; False where it is 1 already."""
        if self.batch_chunks == 1:
            return False
        self._windows.batch_chunks //= 2
        return True

    def _own_batch_chunks(self) -> int:
        if self.device.type == "cuda":
            return find_batch_chunks(self._trial_batch, CudaMemory(self.device))
        return 1 if self.device.type == "cpu" else BLIND_BATCH_CHUNKS

    def _trial_batch(self, batch_chunks: int) -> None:
        """Separate silence in full batches of a size."""
        self._windows.batch_chunks = batch_chunks
        codec = self.model.latent_space.codec
        mixture = torch.zeros(codec.channels, self.plan.window_samples)
        silence = Window(mixture, 0, TrackNoise(0, "", codec.latent_channels))
        self.separate_windows([silence] * self.windows_per_call)

    def _advance(self, session: TrackSession, waiting: list[Window]) -> None:
        batch = waiting[: self.windows_per_call]
        del waiting[: self.windows_per_call]
        for vocals in separate_within_memory(self, batch):
            session.accept(vocals)

    def _run(self, batch: list[tuple[TrackSession, Window]]) -> None:
        results = separate_within_memory(self, [window for _, window in batch])
        for (session, _), vocals in zip(batch, results, strict=True):
            session.accept(vocals)

    def _pushed(self, track: Track) -> TrackSession:
        waveform = np.asarray(track.waveform)
        if waveform.ndim != 2 or not waveform.size:
            raise ValueError(f"a waveform [channel, sample] is wanted, got shape {waveform.shape}")
        if waveform.dtype.kind != "f":
            raise ValueError(
                f"a float waveform is wanted, full scale -1..1, got {waveform.dtype}; "
                "divide integers by their full scale"
            )
        waveform = waveform.astype(np.float32)
        session = self.session(track.sample_rate_hz, len(waveform), track.track_id)
        session.push(waveform)
        session.finish()
        return session


def _check_format(sample_rate_hz: int, channels: int) -> None:
    if not isinstance(sample_rate_hz, int | np.integer) or not (
        MIN_SAMPLE_RATE_HZ <= sample_rate_hz <= MAX_SAMPLE_RATE_HZ
    ):
        raise ValueError(
            f"sample_rate_hz must be a whole number in {MIN_SAMPLE_RATE_HZ}..{MAX_SAMPLE_RATE_HZ}, "
            f"got {sample_rate_hz!r}"
        )
    if not 1 <= channels <= MAX_CHANNELS:
        raise ValueError(
            f"1..{MAX_CHANNELS} channels are wanted, got {channels}; "
            "is the array [sample, channel]? transpose it"
        )


def pick_device(name: str) -> torch.device:
    """The device of a name; ``auto`` takes a GPU where there is one.

    Raises:
        ConfigError: no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device {name!r} cannot be used: {reason}; take auto or cpu") from error
    return device


def _pop_done(open_tracks: list[tuple[TrackSession, list[Stems]]]) -> Iterator[Stems]:
    while open_tracks:
        session, pieces = open_tracks[0]
        pieces.extend(session.stems())
        if not session.done:
            return
        open_tracks.pop(0)
        yield _concatenate(pieces)


def _concatenate(pieces: list[Stems]) -> Stems:
    return Stems(
        mixture=np.concatenate([piece.mixture for piece in pieces], axis=1),
        vocals=np.concatenate([piece.vocals for piece in pieces], axis=1),
    )
