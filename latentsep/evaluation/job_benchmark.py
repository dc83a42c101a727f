"""The job against the bare separator, on the same files, with the same threads, in one run."""

import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import torch

from latentsep.audio.decode import Decoder
from latentsep.audio.encode import AudioWriter, StemFormat
from latentsep.audio.waveform import Waveform
from latentsep.evaluation.staged_pipeline import run_staged
from latentsep.models.folder import find_model, read_model_file
from latentsep.pipeline.fetch import fetched
from latentsep.pipeline.job import JobRequest, run_job
from latentsep.pipeline.job_config import JobConfig
from latentsep.pipeline.stage_clock import STAGES
from latentsep.pipeline.stop import StopRequest
from latentsep.pipeline.store import OutputOptions, StemFiles
from latentsep.pipeline.worker import SeparatorWorker, WorkerSpec
from latentsep.quality.reference_free import QualityMeter
from latentsep.separation.separator import Separator
from latentsep.separation.stems import Stems
from latentsep.storage import StoreSettings

MANIFEST_FIELDS = ("track_id", "uri")
SECOND_HZ = 44_100


@dataclass(frozen=True)
class JobSpeed:
    """Audio-seconds per second of the ways to do the same files, and where the time goes.

    Attributes:
        bare_x: decode and separate in memory, one file after another; nothing is written.
        worker_x: one worker in this process: also quality, FLAC and storing.
        job_x: the job once it works: without ``startup_s``; ``job_whole_x`` from its start.
        startup_s: a job of one second of audio: cluster, workers, model, and the end of them.
        staged_x: decoding, separating and storing as three stages of Ray Data that hand the audio
            over through the object store; ``staged_whole_x`` from its start.
        device_busy_share: share of the worker's time in which its network runs.
        stage_shares: share of the tracks' wall time spent in each stage, waiting included.
        load_cpu: CPU-seconds per audio-second of fetching and decoding, the child's included.
        store_cpu: the same of measuring, encoding and storing.
    """

    audio_s: float
    threads: int
    rounds: int
    bare_x: float
    worker_x: float
    job_x: float
    job_whole_x: float
    startup_s: float
    staged_x: float
    staged_whole_x: float
    job_over_bare: float
    device_busy_share: float
    stage_shares: dict[str, float]
    load_cpu: float
    store_cpu: float


def measure_job(files: Sequence[Path], config: JobConfig, threads: int, rounds: int) -> JobSpeed:
    """Do the same files in every way, ``rounds`` times in turn; medians of the ratios."""
    torch.set_num_threads(threads)
    bench = _Bench(files, config, threads)
    audio_s, load_cpu = bench.load_only()
    store_cpu = bench.store_only()
    turns = [bench.turn(audio_s) for _ in range(rounds)]

    def middle(name: str) -> float:
        return float(np.median([turn[name] for turn in turns]))

    return JobSpeed(
        audio_s=audio_s,
        threads=threads,
        rounds=rounds,
        bare_x=middle("bare"),
        worker_x=middle("worker"),
        job_x=middle("job"),
        job_whole_x=middle("job_whole"),
        startup_s=middle("startup"),
        staged_x=middle("staged"),
        staged_whole_x=middle("staged_whole"),
        job_over_bare=float(np.median([turn["job"] / turn["bare"] for turn in turns])),
        device_busy_share=middle("busy"),
        stage_shares={stage: middle(stage) for stage in STAGES},
        load_cpu=load_cpu,
        store_cpu=store_cpu,
    )


class _Bench:
    def __init__(self, files: Sequence[Path], config: JobConfig, threads: int) -> None:
        self._files = files
        workers = config.workers.model_copy(update={"count": 1, "cpus": threads})
        self._config = config.model_copy(update={"workers": workers})
        self._threads = threads

    def turn(self, audio_s: float) -> dict[str, float]:
        """One round of all ways; audio-seconds per second by name, and the shares."""
        job_whole, shares = self._job(self._files)
        startup = self._startup()
        staged, staged_whole = run_staged(self._files, self._config, self._threads)
        worker_s, busy = self._worker()
        return {
            "bare": audio_s / self._bare(),
            "worker": audio_s / worker_s,
            "busy": busy,
            "job": audio_s / (job_whole - startup),
            "startup": startup,
            "job_whole": audio_s / job_whole,
            "staged": audio_s / staged,
            "staged_whole": audio_s / staged_whole,
            **shares,
        }

    def load_only(self) -> tuple[float, float]:
        """Length of all files in seconds, and CPU-seconds per audio-second to fetch and decode."""
        began_s, audio_s, child_s = _cpu_s(), 0.0, 0.0
        with tempfile.TemporaryDirectory() as name, Decoder() as decoder:
            for file in self._files:
                with (
                    fetched(str(file), StoreSettings(), Path(name)) as source,
                    decoder.open(source.file) as reader,
                ):
                    frames = sum(block.shape[1] for block in reader)
                    audio_s += frames / reader.info.sample_rate_hz
            if decoder.child_pid is not None:
                times = psutil.Process(decoder.child_pid).cpu_times()
                child_s = times.user + times.system
        return audio_s, (_cpu_s() - began_s + child_s) / audio_s

    def store_only(self) -> float:
        """CPU-seconds per audio-second to measure and encode stems; the halves of one file."""
        with Decoder() as decoder, tempfile.TemporaryDirectory() as name:
            mixture, info = decoder.read(self._files[0])
            began_s = _cpu_s()
            fmt = OutputOptions().format_for(info)
            meter = QualityMeter(info.sample_rate_hz, info.channels)
            paths = {stem: Path(name, f"{stem}.flac") for stem in ("vocals", "accompaniment")}
            with StemFiles(paths, fmt, info) as stem_files:
                for stems in _halves(mixture, 20 * info.sample_rate_hz):
                    meter.add(stems.mixture, stems.vocals, stems.accompaniment)
                    stem_files.write(stems)
            duration_s = mixture.shape[1] / info.sample_rate_hz
            return float((_cpu_s() - began_s) / duration_s)

    def _bare(self) -> float:
        separator = Separator.from_pretrained(
            self._config.model, **self._config.separation.model_dump()
        )
        began_s = time.perf_counter()
        with Decoder() as decoder:
            for file in self._files:
                mixture, info = decoder.read(file)
                separator.separate(mixture, info.sample_rate_hz, file.stem)
        return time.perf_counter() - began_s

    def _worker(self) -> tuple[float, float]:
        with tempfile.TemporaryDirectory(prefix="latentsep-bench-") as name:
            digest = read_model_file(find_model(self._config.model)).weights.sha256
            flight = self._config.workers.tracks_in_flight or 3
            spec = WorkerSpec(self._config, name, "bench", digest, self._threads, flight)
            worker = SeparatorWorker(spec)
            began_s = time.perf_counter()
            worker(_table(self._files))
            wall_s = time.perf_counter() - began_s
            busy = worker.queue.busy_s / wall_s
            worker.close()
            return wall_s, busy

    def _startup(self) -> float:
        with tempfile.TemporaryDirectory(prefix="latentsep-bench-") as name:
            second = Path(name, "second.wav")
            with AudioWriter(second, StemFormat("wav", 16), SECOND_HZ, 2) as writer:
                writer.write_integers(np.zeros((2, SECOND_HZ), np.int32))
            return self._job([second])[0]

    def _job(self, files: Sequence[Path]) -> tuple[float, dict[str, float]]:
        """Seconds of the whole job, and each stage's share."""
        with tempfile.TemporaryDirectory(prefix="latentsep-bench-") as name:
            manifest, out = Path(name, "manifest.csv"), Path(name, "out")
            pyarrow.csv.write_csv(_table(files).select(MANIFEST_FIELDS), manifest)
            request = JobRequest(str(manifest), str(out), self._config)
            began_s = time.perf_counter()
            run_job(request, StopRequest(), lambda progress: None)
            whole_s = time.perf_counter() - began_s
            rows = pq.read_table(out / "results", columns=[*STAGES, "wall_s"])
            total_s = float(np.sum(rows.column("wall_s")))
            shares = {stage: float(np.sum(rows.column(stage))) / total_s for stage in STAGES}
            return whole_s, shares


def _table(files: Sequence[Path]) -> pa.Table:
    ids = [f"{number:05d}" for number in range(len(files))]
    durations = pa.array([None] * len(ids), pa.float64())
    uris = [file.absolute().as_uri() for file in files]
    return pa.table({"track_id": ids, "uri": uris, "duration_s": durations})


def _halves(mixture: Waveform, samples: int) -> Iterator[Stems]:
    for start in range(0, mixture.shape[1], samples):
        block = mixture[:, start : start + samples]
        yield Stems(block, block * np.float32(0.5))


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
