"""The road not taken: decode, separate and store as stages that hand the audio over.

Kept to be measured against the job on the same files, see docs/benchmarks.md. It is no pipeline to
use: a track has to fit in memory several times, and a bad file ends it.
"""

import hashlib
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from latentsep.audio.decode import Decoder
from latentsep.audio.source import SourceInfo
from latentsep.pipeline.cluster import cluster
from latentsep.pipeline.job_config import JobConfig
from latentsep.pipeline.store import OutputOptions, StemFiles
from latentsep.quality.reference_free import QualityMeter
from latentsep.separation.separator import Separator
from latentsep.separation.stems import Stems

Item = dict[str, Any]
Stage = Callable[[Item], Item]
CPU_STAGE_TASKS = 2
STORE_BLOCK_SAMPLES = 1 << 20


class _Separate:
    def __init__(self, model: str, options: dict[str, Any], threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._separator = Separator.from_pretrained(model, **options)

    def __call__(self, item: Item) -> Item:
        mixture = np.stack(item["mixture"])
        stems = self._separator.separate(mixture, int(item["rate_hz"]), item["uri"])
        return {**item, "mixture": mixture, "vocals": stems.vocals}


def run_staged(files: Sequence[Path], config: JobConfig, threads: int) -> tuple[float, float]:
    """Seconds from the cluster's start, and from before it, to do the files in three stages."""
    import ray.data

    began_s = time.perf_counter()
    with (
        tempfile.TemporaryDirectory(prefix="latentsep-staged-") as name,
        cluster(None, config.workers, spare_cpus=CPU_STAGE_TASKS),
    ):
        working_s = time.perf_counter()
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        dataset = (
            ray.data.from_items([{"uri": str(file)} for file in files])
            .repartition(target_num_rows_per_block=1)
            .map(_decode, num_cpus=1)
            .map(
                cast(Stage, _Separate),
                fn_constructor_args=(config.model, config.separation.model_dump(), threads),
                num_cpus=threads,
                compute=ray.data.ActorPoolStrategy(size=1),
            )
            .map(cast(Stage, _store), fn_args=(name,), num_cpus=1)
        )
        rows = sum(1 for _ in dataset.iter_rows())
        if rows != len(files):
            raise RuntimeError(f"{rows} of {len(files)} tracks came out of the stages")
        working_s = time.perf_counter() - working_s
    return working_s, time.perf_counter() - began_s


def _decode(item: Item) -> Item:
    with Decoder() as decoder:
        mixture, info = decoder.read(item["uri"])
    return {**item, "mixture": mixture, "rate_hz": info.sample_rate_hz}


def _store(item: Item, folder: str) -> Item:
    mixture, vocals = (np.stack(item[name]) for name in ("mixture", "vocals"))
    rate_hz = int(item["rate_hz"])
    info = SourceInfo("wav", "pcm_16", rate_hz, len(mixture), 16, False, True, mixture.shape[1])
    meter = QualityMeter(rate_hz, len(mixture))
    place = hashlib.blake2b(item["uri"].encode(), digest_size=8).hexdigest()
    paths = {stem: Path(folder, place, f"{stem}.flac") for stem in ("vocals", "accompaniment")}
    with StemFiles(paths, OutputOptions().format_for(info), info) as files:
        for start in range(0, mixture.shape[1], STORE_BLOCK_SAMPLES):
            block = slice(start, start + STORE_BLOCK_SAMPLES)
            stems = Stems(mixture[:, block], vocals[:, block])
            meter.add(stems.mixture, stems.vocals, stems.accompaniment)
            files.write(stems)
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths.values()]
    return {"uri": item["uri"], "sha256": digests[0]}
