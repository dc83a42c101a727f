"""Every metric of a catalogue job, in one place: exporters, docs table, rules and dashboards.

The driver counts what is in the ledger, so that its counters are true across a kill and a resume.
The workers count what only they see, and begin at zero each time one starts: take rates of those.

No label has a value that grows with the catalogue: no id, URI, host or message of a track.
"""

from dataclasses import dataclass
from typing import Literal

from latentsep import errors
from latentsep.catalogue.schema import STEM_NAMES

PREFIX = "latentsep_"
RAY_PREFIX = "ray_"
"""What Ray puts before the names of the workers' metrics."""
OTHER_REASON = "other"
"""The reason of a reject whose class is none of ``errors``: a bug, or the machine's fault."""

Kind = Literal["counter", "gauge", "histogram"]
Teller = Literal["driver", "worker"]


@dataclass(frozen=True)
class Label:
    """One label of a metric.

    Attributes:
        name: in Prometheus.
        values: all that it may have; empty where a job has exactly one, which ``meaning`` names.
        meaning: for people.
    """

    name: str
    values: tuple[str, ...] = ()
    meaning: str = ""


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: without any prefix; ends with its base unit and, if a counter, with ``_total``.
        kind: of Prometheus.
        unit: of its value, for people.
        help: what it counts.
        labels: in the order of their values.
        buckets: upper bounds of a histogram, ascending, without the infinite one.
        bucket_reason: why these.
        teller: who exposes it.
    """

    name: str
    kind: Kind
    unit: str
    help: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()
    bucket_reason: str = ""
    teller: Teller = "driver"

    @property
    def own_name(self) -> str:
        """The name that this package gives it."""
        return PREFIX + self.name

    @property
    def exposed_name(self) -> str:
        """The name that Prometheus scrapes."""
        return (RAY_PREFIX if self.teller == "worker" else "") + self.own_name

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of its labels."""
        return tuple(label.name for label in self.labels)

    @property
    def series_names(self) -> tuple[str, ...]:
        """The names of its series, as expressions use them."""
        if self.kind != "histogram":
            return (self.exposed_name,)
        # A sum of values below zero may fall, so it is no counter, and prometheus-client leaves it
        # out, and the count with it: that is the bucket with le="+Inf".
        endings = ("_bucket",) if self.buckets[0] < 0 else ("_bucket", "_sum", "_count")
        return tuple(self.exposed_name + ending for ending in endings)


def _reasons() -> tuple[str, ...]:
    """Classes that a reject may name: a track's own troubles, the store's and a wrong setting."""
    kinds = (errors.TrackError, errors.StoreError, errors.ConfigError)
    named = [
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, kinds)
    ]
    return (*named, OTHER_REASON)


TRACK_STAGES = ("fetch", "decode", "separate", "measure", "encode", "upload")
"""Stages of one track; the ledger has the seconds of each in the column ``<stage>_s``."""
STATUSES = ("separated", "rejected")
REASONS = _reasons()

_STATUS = Label("status", STATUSES, "separated: a result row; rejected: a reject row")
_REJECT_STAGE = Label("stage", ("load", "separate", "store", "worker"), "where the track failed")
_REASON = Label("reason", REASONS, "kind of the error; docs/ledger.md, `error_class`")
_TRACK_STAGE = Label("stage", TRACK_STAGES, "part of a track's work")
_DIRECTION = Label("direction", ("in", "out"), "into the stage or out of it")
_BYTE_STAGE = Label("stage", ("fetch", "upload"), "part of a track's work")
_CURRENCY = Label("currency", (), "of the job's `rates.currency`")
_ANY_SIGNAL = Label("stem", ("mixture", *STEM_NAMES), "the mixture, or one of its stems")
_CLIPPED_SIGNAL = Label("stem", ("mixture", "vocals"), "see the help")
_STEM = Label("stem", STEM_NAMES, "one of the stems")
_WORKERS_STATE = Label("state", ("wanted",), "wanted: places in the pool of this job")
_DEVICE = Label("device", ("cuda", "cpu", "mps"), "what the network runs on")

TRACKS = Metric(
    "tracks_total", "counter", "tracks",
    "Rows in the ledger. A track that was rejected and tried again counts for each try, so that "
    "the counter never falls; `latentsep status` counts tracks by their latest try.",
    (_STATUS,),
)  # fmt: skip
TRACKS_PLANNED = Metric(
    "tracks_planned", "gauge", "tracks", "Tracks of the manifest, whatever became of them.",
)  # fmt: skip
AUDIO_SECONDS = Metric(
    "audio_seconds_total", "counter", "s", "Duration of the tracks that were separated.",
)  # fmt: skip
REJECTS = Metric(
    "rejects_total", "counter", "tracks", "Reject rows in the ledger, by what went wrong.",
    (_REJECT_STAGE, _REASON),
)  # fmt: skip
REALTIME_FACTOR = Metric(
    "realtime_factor", "gauge", "audio seconds per second",
    "Audio separated per second of wall time by all workers, over the last 10 minutes of this "
    "job; absent before its first track.",
)  # fmt: skip
AUDIO_HOURS_PER_GPU_HOUR = Metric(
    "audio_hours_per_gpu_hour", "gauge", "audio hours per GPU hour",
    "The same for one worker: for one GPU, or for a worker's CPUs where there is no GPU.",
)  # fmt: skip
ETA = Metric(
    "eta_seconds", "gauge", "s",
    "Time this job still needs, by the tracks that are left and its rate so far; absent before "
    "its first track. Long tracks go first, so it is rather too high.",
)  # fmt: skip
COST = Metric(
    "cost_total", "counter", "money",
    "Cost of the workers of this job by `rates.gpu_hour_price`, from its start; absent without a "
    "price. The ledger does not hold it: a resumed job begins at zero.",
    (_CURRENCY,),
)  # fmt: skip
STAGE_SECONDS = Metric(
    "stage_seconds", "histogram", "s", "Seconds that a separated track spent in each stage.",
    (_TRACK_STAGE,),
    (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0),
    "two for each factor of ten, from the fetch of a local file to a mix of hours on a CPU",
)  # fmt: skip
STAGE_BYTES = Metric(
    "stage_bytes_total", "counter", "B",
    "Bytes of sources that were fetched (in), and of stems that were uploaded (out), of separated "
    "tracks.",
    (_BYTE_STAGE, _DIRECTION),
)  # fmt: skip
VOCAL_ACTIVITY = Metric(
    "quality_vocal_activity_ratio", "histogram", "0..1", "Share of a track in which vocals sound.",
    (), (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    "zero by itself, which is an instrumental, or a track whose vocals were lost; then even steps",
)  # fmt: skip
BLEED = Metric(
    "quality_bleed_db", "histogram", "dB",
    "Spectral overlap of the stems of a track; lower is cleaner. Absent for a silent stem.",
    (), (-60.0, -50.0, -40.0, -35.0, -30.0, -25.0, -22.5, -20.0, -17.5, -15.0, -12.5, -10.0, -7.5,
         -5.0, -2.5),
    "-100 is nothing in common, 0 two equal stems; fine steps where separated songs lie",
)  # fmt: skip
DRAW_SPREAD = Metric(
    "quality_draw_spread_db", "histogram", "dB",
    "Spread of the draws of a track to their mean: how unsure the model is. Only with `--draws` "
    "above 1.",
    (), (-60.0, -50.0, -40.0, -35.0, -30.0, -25.0, -20.0, -15.0, -10.0, -5.0, 0.0),
    "0 is a spread as strong as the vocals themselves; equal steps of 5 dB below",
)  # fmt: skip
CLIPPED_SAMPLES = Metric(
    "quality_clipped_samples", "histogram", "samples",
    "mixture: samples of a track beyond full scale, which were clipped; vocals: those held back "
    "so that the stems' sum fits.",
    (_CLIPPED_SIGNAL,), (0.0, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6),
    "zero by itself, which is a clean track; then factors of ten, as a song has 10^7 samples",
)  # fmt: skip
LOUDNESS = Metric(
    "quality_loudness_lufs", "histogram", "LUFS",
    "Integrated loudness (ITU-R BS.1770-4) of a track. Absent below -70 LUFS or 400 ms.",
    (_ANY_SIGNAL,),
    (-60.0, -50.0, -40.0, -35.0, -30.0, -27.0, -24.0, -21.0, -18.0, -16.0, -14.0, -12.0, -10.0,
     -8.0, -6.0),
    "fine between broadcast (-23) and loud masters (-6), coarse for stems that hardly sound",
)  # fmt: skip
SI_SDR = Metric(
    "quality_si_sdr_db", "histogram", "dB",
    "SI-SDR of a stem over the whole track. Only for tracks with references in the manifest.",
    (_STEM,), (-20.0, -10.0, -5.0, -2.0, 0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 15.0, 20.0, 30.0),
    "steps of 2 dB where separators differ; below 0 the stem is mostly something else",
)  # fmt: skip
COMMIT_SECONDS = Metric(
    "commit_seconds", "histogram", "s",
    "Time one commit to the ledger took in this job, failed ones included.",
    (), (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0),
    "from a local disk to a store that answers after retries (lease 60 s, retries up to minutes)",
)  # fmt: skip
COMMIT_FAILURES = Metric(
    "commit_failures_total", "counter", "commits",
    "Commits of this job that failed or are in doubt after all retries.",
)  # fmt: skip
COMMIT_ROWS = Metric(
    "commit_rows_total", "counter", "rows", "Rows that this job committed, results and rejects.",
)  # fmt: skip
START = Metric(
    "start_timestamp_seconds", "gauge", "unix time in s", "When this job began.",
)  # fmt: skip
LAST_COMMIT = Metric(
    "last_commit_timestamp_seconds", "gauge", "unix time in s",
    "When this job last committed rows; absent before it did.",
)  # fmt: skip
LEASE_HELD = Metric(
    "lease_held", "gauge", "1 or 0",
    "Whether this job holds the output's lease; absent where `ledger.use_lease` is off.",
)  # fmt: skip
LEASE_RENEWALS = Metric(
    "lease_renewals_total", "counter", "renewals", "Renewals of the lease by this job.",
)  # fmt: skip
LEASE_RENEWAL_FAILURES = Metric(
    "lease_renewal_failures_total", "counter", "renewals",
    "Renewals of the lease that failed; it is lost when none succeeds for its length.",
)  # fmt: skip
LEASE_EXPIRES = Metric(
    "lease_expires_timestamp_seconds", "gauge", "unix time in s",
    "When the lease is lost unless it is renewed before.",
)  # fmt: skip
DEADLINE = Metric(
    "deadline_timestamp_seconds", "gauge", "unix time in s",
    "When the job stops by `--max-hours`; absent without one.",
)  # fmt: skip
WORKERS = Metric(
    "workers", "gauge", "workers",
    "Workers of this job; absent before the cluster is there. Ray's own "
    "`ray_data_num_alive_actors` tells how many live.",
    (_WORKERS_STATE,),
)  # fmt: skip
BUILD_INFO = Metric(
    "build_info", "gauge", "1", "What runs, in its labels.",
    (
        Label("version", (), "of latentsep"),
        Label("model", (), "name of the model"),
        Label("run", (), "first 12 digits of the run's identity"),
    ),
)  # fmt: skip

GPU_BUSY_SECONDS = Metric(
    "gpu_busy_seconds_total", "counter", "s",
    "Time the worker's device was at work on batches; by its rate, how busy it is.",
    (_DEVICE,), teller="worker",
)  # fmt: skip
DENOISER_CALLS = Metric(
    "denoiser_calls_total", "counter", "chunk calls",
    "Calls of the network, counted for each chunk: chunks times calls per chunk.",
    teller="worker",
)  # fmt: skip
BATCH_FILL = Metric(
    "batch_fill_ratio", "histogram", "0..1", "Windows of a batch over those that fit into it.",
    (), (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0),
    "eighths; above the last but one are the full batches",
    teller="worker",
)  # fmt: skip
BATCH_SIZE = Metric(
    "batch_size_windows", "gauge", "windows",
    "Windows of a full batch now; it is halved where the device's memory runs out.",
    teller="worker",
)  # fmt: skip
QUEUE_WAIT_SECONDS = Metric(
    "queue_wait_seconds", "histogram", "s", "Wait of a window for its batch to begin.",
    (), (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0),
    "two for each factor of ten; a batch that does not fill waits 0.5 s",
    teller="worker",
)  # fmt: skip
DECODER_RESTARTS = Metric(
    "decoder_restarts_total", "counter", "restarts",
    "Decoder children that were replaced: they crashed, hung, ran out of memory, or were busy with "
    "a track that failed.",
    teller="worker",
)  # fmt: skip
WORKER_STARTS = Metric(
    "worker_starts_total", "counter", "starts", "Workers that have started.", teller="worker",
)  # fmt: skip

METRICS = tuple(value for value in list(vars().values()) if isinstance(value, Metric))
"""All of them, in the order above."""
DRIVER_METRICS = tuple(metric for metric in METRICS if metric.teller == "driver")
WORKER_METRICS = tuple(metric for metric in METRICS if metric.teller == "worker")
