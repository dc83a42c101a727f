"""What metrics cost: CPU-seconds inside their calls, of those of a whole job on real Ray."""

import json
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import ParamSpec, TypeVar
from urllib.request import Request, urlopen

import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from latentsep.monitoring.definitions import Metric
from latentsep.monitoring.endpoint import ScrapeServer
from latentsep.monitoring.recorder import NoRecorder, Recorder
from latentsep.pipeline import job_metrics
from latentsep.pipeline.engine import RayEngine
from latentsep.pipeline.job import JobRequest, run_job
from latentsep.pipeline.job_config import JobConfig, MetricsConfig
from latentsep.pipeline.job_metrics import JobMetrics
from latentsep.pipeline.starts import StartCounter, Starts
from latentsep.pipeline.stop import StopRequest
from latentsep.pipeline.worker import SeparatorWorker, WorkerSpec

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

SCRAPE_EVERY_S = 15.0
"""As in cluster/monitoring/prometheus.yml."""
PROMETHEUS_ASKS_FOR = {
    "Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
    "Accept-Encoding": "gzip",
}
DRIVER_CALLS: tuple[tuple[type | ModuleType, str], ...] = (
    (JobMetrics, "__init__"),
    (JobMetrics, "committed"),
    (JobMetrics, "commit_failed"),
    (job_metrics, "add_ledger"),
    # The whole answer to a scrape: refresh, text and sending.
    (ScrapeServer, "process_request_thread"),
)
"""Where the driver does something for its metrics; none calls another."""


@dataclass
class CpuUse:
    """CPU time of one process, and the part of it that is spent inside metric calls.

    Attributes:
        calls: of metrics.
        metrics_s: CPU time of the threads that made them, meanwhile.
        whole_s: CPU time of the process and of its decoders, since it was ready for work.
    """

    calls: int = 0
    metrics_s: float = 0.0
    whole_s: float = 0.0


@dataclass(frozen=True)
class MetricsCost:
    """Metrics against the rest of a job.

    Attributes:
        share: ``(driver.metrics_s + workers.metrics_s) / (driver.whole_s + workers.whole_s)``.
        scrapes: of the driver, one every ``SCRAPE_EVERY_S``.
        audio_s: of all tracks.
        wall_s: of the job, its start and end included.
        driver: since the job began; Ray's start is in it.
        workers: all of them together, since their models were loaded.
    """

    share: float
    scrapes: int
    tracks: int
    audio_s: float
    wall_s: float
    driver: CpuUse
    workers: CpuUse


class CpuMeter:
    """Adds up the CPU time of calls, from any thread."""

    def __init__(self) -> None:
        self.use = CpuUse()
        self._lock = threading.Lock()

    def timed(self, call: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        """The same call, counted."""

        @wraps(call)
        def counted(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
            began_s = time.thread_time()
            try:
                return call(*arguments, **named)
            finally:
                took_s = time.thread_time() - began_s
                with self._lock:
                    self.use.calls += 1
                    self.use.metrics_s += took_s

        return counted


class MeteredRecorder:
    """A ``Recorder`` whose calls are counted."""

    def __init__(self, recorder: Recorder, meter: CpuMeter) -> None:
        self._count = meter.timed(recorder.count)
        self._set = meter.timed(recorder.set)
        self._observe = meter.timed(recorder.observe)

    def count(self, metric: Metric, amount: float, *labels: str) -> None:
        """See ``Recorder``."""
        self._count(metric, amount, *labels)

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """See ``Recorder``."""
        self._set(metric, value, *labels)

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """See ``Recorder``."""
        self._observe(metric, value, *labels)


class MeteredWorker(SeparatorWorker):
    """Leaves beside the output what its process used up to the end of its last block."""

    def __init__(
        self,
        spec: WorkerSpec,
        starts_of: Callable[[], Starts] = StartCounter,
        recorder_of: Callable[[], Recorder] = NoRecorder,
    ) -> None:
        self._meter, self._writing = CpuMeter(), threading.Lock()
        self._file = Path(spec.out_uri).with_name(f"worker-{os.getpid()}.json")
        made = self._meter.timed(recorder_of)
        super().__init__(spec, starts_of, lambda: MeteredRecorder(made(), self._meter))
        self._ready_s = _cpu_s()

    def __call__(self, block: pa.Table) -> pa.Table:
        """See ``SeparatorWorker``."""
        outcomes = super().__call__(block)
        with self._writing:
            self._meter.use.whole_s = _cpu_s() - self._ready_s
            self._file.write_text(json.dumps(asdict(self._meter.use)))
        return outcomes


def measure_metrics(files: Sequence[Path], config: JobConfig) -> MetricsCost:
    """Run a job on these files, scraped as Prometheus does, and look what its metrics took."""
    with tempfile.TemporaryDirectory(prefix="latentsep-bench-") as name, Scraper() as scraper:
        manifest, out = Path(name, "manifest.csv"), Path(name, "out")
        _write_manifest(manifest, files)
        metered = config.model_copy(update={"metrics": MetricsConfig(port=scraper.port)})
        request = JobRequest(str(manifest), str(out), metered)
        engine = RayEngine(None, config.workers, MeteredWorker)
        meter, began_s, began_cpu_s = CpuMeter(), time.perf_counter(), time.process_time()
        with _metered_driver(meter):
            run_job(request, StopRequest(), lambda progress: None, engine)
        meter.use.whole_s = time.process_time() - began_cpu_s
        wall_s = time.perf_counter() - began_s
        workers = _sum(CpuUse(**json.loads(one.read_text())) for one in out.parent.glob("worker-*"))
        durations = pq.read_table(out / "results", columns=["duration_s"]).column("duration_s")
    both = _sum([meter.use, workers])
    return MetricsCost(
        share=both.metrics_s / both.whole_s,
        scrapes=scraper.scrapes,
        tracks=len(durations),
        audio_s=pc.sum(durations).as_py() or 0.0,
        wall_s=wall_s,
        driver=meter.use,
        workers=workers,
    )


class Scraper:
    """Asks a port of this machine for metrics, again and again, for as long as it is entered.

    Attributes:
        port: a free one.
        scrapes: how often it was answered.
    """

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.scrapes = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._scrape, daemon=True)

    def __enter__(self) -> "Scraper":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _scrape(self) -> None:
        request = Request(f"http://127.0.0.1:{self.port}/metrics", headers=PROMETHEUS_ASKS_FOR)
        while not self._ended.wait(SCRAPE_EVERY_S):
            # Nobody listens before the job has read its ledger.
            with suppress(OSError), urlopen(request) as answer:
                answer.read()
                self.scrapes += 1


@contextmanager
def _metered_driver(meter: CpuMeter) -> Iterator[None]:
    with ExitStack() as stack:
        for owner, name in DRIVER_CALLS:
            call = getattr(owner, name)
            stack.callback(setattr, owner, name, call)
            setattr(owner, name, meter.timed(call))
        yield


def _write_manifest(path: Path, files: Sequence[Path]) -> None:
    ids = [f"{number:05d}" for number in range(len(files))]
    uris = [file.absolute().as_uri() for file in files]
    pyarrow.csv.write_csv(pa.table({"track_id": ids, "uri": uris}), path)


def _sum(uses: Iterable[CpuUse]) -> CpuUse:
    rows = list(uses)
    return CpuUse(
        calls=sum(row.calls for row in rows),
        metrics_s=sum(row.metrics_s for row in rows),
        whole_s=sum(row.whole_s for row in rows),
    )


def _cpu_s() -> float:
    """Of this process and of its children that live."""
    children = psutil.Process().children(recursive=True)
    times = [child.cpu_times() for child in children]
    return time.process_time() + sum(one.user + one.system for one in times)
