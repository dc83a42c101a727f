import re
from itertools import pairwise

import pytest

from latentsep.catalogue.schema import REJECT, RESULT
from latentsep.monitoring.definitions import (
    DRIVER_METRICS,
    METRICS,
    REASONS,
    TRACK_STAGES,
    WORKER_METRICS,
)
from latentsep.pipeline.catalogue_track import LEDGER_STAGES
from latentsep.pipeline.rejects import _STAGES
from latentsep.pipeline.stage_clock import STAGES

ONE_PER_JOB = {"currency", "version", "model", "run"}
MAY_SHARE_A_NAME = {"stage", "device"}
"""Columns of the ledger whose values are few."""
UNITS = {
    "s": "_seconds", "B": "_bytes", "dB": "_db", "LUFS": "_lufs", "0..1": "_ratio",
    "samples": "_samples", "unix time in s": "_timestamp_seconds",
}  # fmt: skip
metrics = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)


def test_no_two_metrics_share_a_series():
    names = [name for metric in METRICS for name in metric.series_names]
    assert len(set(names)) == len(names)
    assert (*DRIVER_METRICS, *WORKER_METRICS) == METRICS


@metrics
def test_a_name_tells_the_base_unit_and_whether_it_counts(metric):
    assert re.fullmatch(r"[a-z][a-z0-9_]*[a-z]", metric.name)
    base = metric.name.removesuffix("_total")
    assert (metric.kind == "counter") == (base != metric.name)
    if metric.unit in UNITS:
        assert base.endswith(UNITS[metric.unit])
    assert metric.unit not in {"ms", "min", "h", "kB", "MB", "%"}
    assert metric.help.endswith(".")


@metrics
def test_labels_are_bounded_and_none_names_a_track(metric):
    for label in metric.labels:
        assert label.meaning
        assert label.values or label.name in ONE_PER_JOB
        assert len(set(label.values)) == len(label.values) <= 30
        assert label.name not in {*RESULT.names, *REJECT.names, "track", "le"} - MAY_SHARE_A_NAME


@metrics
def test_buckets_ascend_and_say_why(metric):
    assert bool(metric.buckets) == (metric.kind == "histogram") == bool(metric.bucket_reason)
    assert all(lower < upper for lower, upper in pairwise(metric.buckets))
    if metric.teller == "worker":
        # Ray refuses others.
        assert all(bound > 0 for bound in metric.buckets)


def test_a_scrape_of_the_driver_has_a_bounded_number_of_series():
    series = 0
    for metric in DRIVER_METRICS:
        sets = 1
        for label in metric.labels:
            sets *= max(1, len(label.values))
        series += sets * (len(metric.buckets) + 3 if metric.buckets else 1)
    assert series < 600


def test_the_stages_are_those_of_the_code():
    assert tuple(f"{stage}_s" for stage in TRACK_STAGES) == STAGES
    told = {*LEDGER_STAGES.values(), *(stage for _, stage in _STAGES), "worker"}
    (rejects,) = (metric for metric in METRICS if metric.name == "rejects_total")
    assert told == set(rejects.labels[0].values)


def test_every_error_of_a_track_is_a_reason():
    assert {error.__name__ for error, _ in _STAGES} < set(REASONS)
    assert {"ObjectMissingError", "DecoderTimeoutError", "DeviceMemoryError"} < set(REASONS)
