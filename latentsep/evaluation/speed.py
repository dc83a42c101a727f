"""How fast a separator is, and where its time goes."""

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from latentsep.audio.waveform import samples_from_seconds
from latentsep.pipeline.memory import peak_rss_bytes
from latentsep.separation.separator import Separator

SAMPLE_RATE_HZ = 44_100


@dataclass(frozen=True)
class SpeedReport:
    """Audio-seconds per second of one separator on stereo noise at 44.1 kHz; warm, best of runs."""

    device: str
    machine: str
    threads: int
    torch_version: str
    audio_s: float
    whole_x: float
    encode_x: float
    network_x: float
    decode_x: float
    load_s: float
    peak_rss_bytes: int


def measure_speed(load: Callable[[], Separator], audio_s: float, repeats: int) -> SpeedReport:
    """Time whole separations and their parts.

    The whole is measured on ``audio_s`` of audio in memory; network, encode and decode on single
    chunks, halo and all, so that their figures are of the parts alone.
    """
    began = time.perf_counter()
    separator = load()
    load_s = time.perf_counter() - began
    rng = np.random.default_rng(0)
    samples = samples_from_seconds(audio_s, SAMPLE_RATE_HZ)
    waveform = rng.standard_normal((2, samples), np.float32) * np.float32(0.1)
    whole_s = _best(lambda: separator.separate(waveform, SAMPLE_RATE_HZ), repeats)
    parts = _parts(separator, repeats)
    return SpeedReport(
        device=str(separator.device),
        machine=platform.processor() or platform.machine(),
        threads=torch.get_num_threads(),
        torch_version=torch.__version__,
        audio_s=audio_s,
        whole_x=audio_s / whole_s,
        **parts,
        load_s=load_s,
        peak_rss_bytes=peak_rss_bytes(),
    )


@torch.inference_mode()
def _parts(separator: Separator, repeats: int) -> dict[str, float]:
    model, plan = separator.model, separator.plan
    space = model.latent_space
    chunk_s = plan.chunk_frames * plan.hop_samples / space.codec.sample_rate_hz
    samples = (plan.chunk_frames - plan.extra_frames) * plan.hop_samples
    generator = torch.Generator().manual_seed(0)
    waveform = torch.randn(1, space.codec.channels, samples, generator=generator)
    waveform = waveform.to(separator.device)
    latents = space.encode(waveform)
    level = model.objective.schedule(1)[0]
    condition = model.condition(latents)
    works: dict[str, Callable[[], object]] = {
        "encode_x": lambda: space.encode(waveform),
        "network_x": lambda: model.denoise(latents, condition, level),
        "decode_x": lambda: space.decode(latents),
    }
    return {name: chunk_s / _best(work, repeats) for name, work in works.items()}


def _best(work: Callable[[], object], repeats: int) -> float:
    work()  # warm
    times_s = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times_s.append(time.perf_counter() - began)
    return min(times_s)
