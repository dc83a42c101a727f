"""Every dial of a catalogue job; a YAML file of ``configs/separate`` gives what differs."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, ValidationError

from latentsep.catalogue.plan import CostRates
from latentsep.errors import ConfigError
from latentsep.models.config import Frozen, explain
from latentsep.separation.options import SeparationOptions
from latentsep.storage import StoreSettings


class StemConfig(Frozen):
    """Format of the stems."""

    codec: str = Field("flac", description="flac, wav, mp3, ogg or opus")
    bit_depth: int | None = Field(
        None, description="16, 24 or 32 (float wav); the source's by default"
    )


class WorkerConfig(Frozen):
    """How many workers there are, and how each is filled."""

    count: PositiveInt | None = Field(
        None, description="separator workers; by default one per GPU, or what the CPUs allow"
    )
    cpus: PositiveInt | None = Field(
        None,
        description="CPUs, and threads of the network, per worker; by default 2, or 4 by a GPU",
    )
    tracks_in_flight: PositiveInt | None = Field(
        None, description="tracks open at once in a worker; by default 3, or 8 by a GPU"
    )
    tracks_per_block: PositiveInt = Field(
        25, description="tracks handed out, retried and reported together: rework against overhead"
    )
    max_starts: PositiveInt = Field(
        3, description="a track that was started so often and never finished is rejected"
    )
    no_progress_timeout_s: PositiveFloat = Field(
        7200.0,
        description="the cluster gives up if no block ends for so long, or for what one plays",
    )
    decode_timeout_s: PositiveFloat = Field(
        60.0, description="a decoder that gives nothing for so long is ended, its track rejected"
    )
    work_folder: Path = Field(
        Path(tempfile.gettempdir()), description="local folder for sources and stems on their way"
    )


class LedgerConfig(Frozen):
    """When rows are committed, and how long a lease lasts."""

    commit_rows: PositiveInt = Field(10_000, description="rows of one part, about")
    commit_every_s: PositiveFloat = Field(300.0, description="no row waits longer")
    lease_s: PositiveFloat = Field(60.0, description="a silent job loses its lease after this")
    use_lease: bool = Field(True, description="off only to prove that the ledger needs none")


class LimitConfig(Frozen):
    """When a job stops by itself; what was done is committed, and a rerun goes on."""

    max_reject_share: float = Field(
        0.5, ge=0, le=1, description="of the tracks tried, once there are 100 of them or all"
    )
    max_hours: PositiveFloat | None = Field(None, description="wall time of this job")
    max_cost: NonNegativeFloat | None = Field(None, description="by rates.gpu_hour_price")


class MetricsConfig(Frozen):
    """Where Prometheus finds the driver's metrics; docs/metrics.md."""

    port: int | None = Field(
        9466, ge=0, le=65_535, description="of the driver's endpoint; null or 0 for none"
    )
    address: str = Field(
        "127.0.0.1", description="where it listens; 0.0.0.0 lets the whole network read it"
    )


class JobConfig(Frozen):
    """One catalogue job."""

    model: str = Field("default", description="a name of `latentsep models`, or a model folder")
    separation: SeparationOptions = SeparationOptions()
    stems: StemConfig = StemConfig()
    workers: WorkerConfig = WorkerConfig()
    ledger: LedgerConfig = LedgerConfig()
    limits: LimitConfig = LimitConfig()
    rates: CostRates = CostRates()
    metrics: MetricsConfig = MetricsConfig()
    storage: StoreSettings = StoreSettings()
    report: bool = Field(
        True, description="write OUT/report.html at the end, unless a signal or an error ended it"
    )


def read_job_config(path: Path | None) -> JobConfig:
    """The settings of a YAML file, or those by default.

    Raises:
        ConfigError: the file cannot be read, or holds a key or value that is not allowed.
    """
    if path is None:
        return JobConfig()
    try:
        return JobConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        # Without its text, which may hold a secret that was put in the wrong place.
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        problem = getattr(error, "problem", None) or "not YAML"
        raise ConfigError(f"{path} cannot be read: {problem} at {where}") from None
    except ValidationError as error:
        raise ConfigError(f"{path}: {explain(error)}") from error


_OVERRIDES: dict[str, tuple[str, str]] = {
    **{name: ("separation", name) for name in SeparationOptions.model_fields},
    "codec": ("stems", "codec"),
    "bit_depth": ("stems", "bit_depth"),
    "workers": ("workers", "count"),
    "threads": ("workers", "cpus"),
    **{name: ("limits", name) for name in LimitConfig.model_fields},
}


def override(config: JobConfig, given: Mapping[str, Any]) -> JobConfig:
    """The settings with what a user gave on the command line; other names are passed over.

    Raises:
        ConfigError: a value is not allowed.
    """
    changed = config.model_dump()
    for name, value in given.items():
        if name == "model":
            changed["model"] = value
        elif name in _OVERRIDES:
            group, key = _OVERRIDES[name]
            changed[group][key] = value
    try:
        return JobConfig.model_validate(changed)
    except ValidationError as error:
        raise ConfigError(explain(error)) from error
