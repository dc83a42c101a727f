"""How fast a separator is, where its time goes, and what of the device's peak it uses."""

import math
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context

import numpy as np
import torch

from latentsep.audio.waveform import Waveform
from latentsep.errors import ConfigError, DeviceMemoryError
from latentsep.evaluation.device_peak import best_time_s, measure_peak_flops
from latentsep.evaluation.model_source import load_or_build
from latentsep.evaluation.separator_parts import SeparatorParts
from latentsep.evaluation.songs import GENERATED_RATE_HZ, GeneratedSong
from latentsep.models.config import RefinementMode
from latentsep.pipeline.memory import peak_rss_bytes
from latentsep.quality.reference import sdr_db
from latentsep.separation.options import Precision, SeparationOptions
from latentsep.separation.separator import Separator

SONG_S = 12.0
"""Generated once and repeated: what a song sounds like changes no timing."""


@dataclass(frozen=True)
class SpeedTrial:
    """One combination that is measured; None where model or separator choose.

    Attributes:
        model: a bundled name, a model folder, or a training file, which gives random weights.
    """

    model: str
    batch_chunks: int | None
    steps: int | None
    precision: Precision


@dataclass(frozen=True)
class SpeedSetup:
    """What all trials share.

    Attributes:
        audio_s: length of the audio at least; as much is taken as fills whole batches.
        threads: of the CPU.
        repeats: of each timing, of which the fastest counts.
    """

    device: str
    refinement: RefinementMode | None
    compile: bool
    audio_s: float
    threads: int
    repeats: int


@dataclass(frozen=True)
class SpeedFigures:
    """Audio-seconds per second and more, of stereo at 44.1 kHz in memory; warm, best of runs.

    Attributes:
        whole_x: of separations, resampling and mask included.
        encode_x: of one chunk, halo and all, as are the following.
        condition_x: what the network makes of the mixture, once for all steps; in full batches.
        network_x: one call, in full batches.
        decode_x: of one chunk.
        network_macs_per_s: multiply-adds of condition and all calls for a second of audio.
        peak_flops: of the device, by a large matrix product of the same precision.
        whole_peak_share: the network's operations in the time of the whole, by the peak.
        network_peak_share: those of one call in its own time.
        peak_memory_bytes: of the process, or on a GPU of torch's tensors.
    """

    batch_chunks: int
    steps: int
    nfe: int
    audio_s: float
    whole_x: float
    encode_x: float
    condition_x: float
    network_x: float
    decode_x: float
    network_macs_per_s: float
    peak_flops: float
    whole_peak_share: float
    network_peak_share: float
    peak_memory_bytes: int


@dataclass(frozen=True)
class SpeedRow:
    """What came of a trial: figures, or the reason why there are none.

    Attributes:
        difference_db: energy of the change of the vocals against float32, by their energy; None
            for float32 itself, where it was not measured, and for silence.
    """

    trial: SpeedTrial
    figures: SpeedFigures | None = None
    difference_db: float | None = None
    problem: str | None = None


_Outcome = tuple[SpeedFigures, Waveform] | str


def measure_speeds(trials: Iterable[SpeedTrial], setup: SpeedSetup) -> Iterator[SpeedRow]:
    """Measure one trial after another, each in a process of its own.

    So no trial has the memory of another, and one that the system ends is a row as well. Trials in
    float32 come before those that are compared with them.
    """
    song = GeneratedSong(0, SONG_S).load().mixture
    exact: dict[SpeedTrial, Waveform] = {}
    for trial in trials:
        outcome = _in_process(trial, setup, song)
        if isinstance(outcome, str):
            yield SpeedRow(trial, problem=outcome)
            continue
        figures, vocals = outcome
        twin = replace(trial, precision="float32")
        yield SpeedRow(trial, figures, difference_db(exact.get(twin), vocals))
        if trial == twin:
            exact[trial] = vocals


def difference_db(reference: Waveform | None, vocals: Waveform) -> float | None:
    """Energy of the change by that of the reference, both ``[channel, sample]``.

    None without a reference, or with a silent one or one of another length.
    """
    if reference is None or reference.shape != vocals.shape:
        return None
    ratio_db = sdr_db(reference, vocals)
    return None if ratio_db is None else -ratio_db


def _in_process(trial: SpeedTrial, setup: SpeedSetup, song: Waveform) -> _Outcome:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(measure, trial, setup, song).result()
        except BrokenProcessPool:
            return "the system ended its process, most likely for lack of memory"


def measure(trial: SpeedTrial, setup: SpeedSetup, song: Waveform) -> _Outcome:
    """Figures of a trial and its vocals ``[channel, sample]``, or why there are none.

    Args:
        trial: what to measure.
        setup: how; its threads become those of this process.
        song: ``[channel, sample]`` at 44.1 kHz, repeated as needed.
    """
    torch.set_num_threads(setup.threads)
    torch.manual_seed(0)
    options = SeparationOptions(
        device=setup.device,
        refinement=setup.refinement,
        compile=setup.compile,
        batch_chunks=trial.batch_chunks,
        steps=trial.steps,
        precision=trial.precision,
    )
    try:
        model = load_or_build(trial.model, torch.Generator().manual_seed(0))
        return _figures(Separator(model, options), setup, song)
    except ConfigError as error:
        return str(error)
    except (torch.OutOfMemoryError, DeviceMemoryError, MemoryError):
        return "out of memory"


def _figures(separator: Separator, setup: SpeedSetup, song: Waveform) -> _Outcome:
    device, batch_chunks = separator.device, separator.batch_chunks
    waveform = _whole_batches(separator, setup.audio_s, song)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)

    def separate() -> Waveform:
        return separator.separate(waveform, GENERATED_RATE_HZ).vocals

    whole_s = best_time_s(separate, device, setup.repeats)
    if separator.batch_chunks < batch_chunks:
        return f"out of memory: batches of {separator.batch_chunks} chunks fit"
    memory_bytes = _peak_memory_bytes(device)
    audio_s = waveform.shape[1] / GENERATED_RATE_HZ
    figures = SpeedFigures(
        batch_chunks=batch_chunks,
        steps=separator.steps,
        nfe=separator.nfe,
        audio_s=audio_s,
        whole_x=audio_s / whole_s,
        peak_memory_bytes=memory_bytes,
        **_part_figures(separator, whole_s / audio_s, setup.repeats),
    )
    return figures, separate()


def _part_figures(separator: Separator, whole_s: float, repeats: int) -> dict[str, float]:
    """Figures of the parts, and of the device; ``whole_s`` is for a second of audio."""
    device, batch = separator.device, separator.batch_chunks
    parts = SeparatorParts(separator)
    macs = parts.macs()
    codec = {name: best_time_s(work, device, repeats) for name, work in parts.codec().items()}
    network = {
        name: best_time_s(work, device, repeats) / batch
        for name, work in parts.network(batch).items()
    }
    kept_s = separator.plan.core_samples / separator.sample_rate_hz / separator.plan.window_chunks
    macs_per_s = (macs["condition"] + separator.nfe * macs["network"]) / kept_s
    peak_flops = measure_peak_flops(device, parts.dtype)
    return {
        **{f"{name}_x": parts.chunk_s / seconds for name, seconds in (codec | network).items()},
        "network_macs_per_s": macs_per_s,
        "peak_flops": peak_flops,
        "whole_peak_share": 2 * macs_per_s / whole_s / peak_flops,
        "network_peak_share": 2 * macs["network"] / network["network"] / peak_flops,
    }


def _whole_batches(separator: Separator, audio_s: float, song: Waveform) -> Waveform:
    """A repeated song as long as the windows of whole batches, so that no batch is padded."""
    call_s = separator.plan.core_samples / separator.sample_rate_hz * separator.windows_per_call
    samples = int(math.ceil(audio_s / call_s) * call_s * GENERATED_RATE_HZ)
    return np.tile(song, (1, -(-samples // song.shape[1])))[:, :samples]


def _peak_memory_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return peak_rss_bytes()
