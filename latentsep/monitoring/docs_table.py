"""The tables of docs/metrics.md: ``python -m latentsep.monitoring.docs_table`` prints them."""

import sys
from collections.abc import Sequence

from latentsep.monitoring.definitions import (
    DRIVER_METRICS,
    REASONS,
    WORKER_METRICS,
    Label,
    Metric,
)

_FEW = 6


def metrics_tables() -> str:
    """All metrics as Markdown."""
    parts = [
        "### Driver", "", *_table(DRIVER_METRICS), "",
        "### Workers", "", *_table(WORKER_METRICS), "",
        "### Buckets", "", *_buckets((*DRIVER_METRICS, *WORKER_METRICS)), "",
        "### Reasons of rejects", "", ", ".join(f"`{reason}`" for reason in REASONS),
    ]  # fmt: skip
    return "\n".join(parts) + "\n"


def _table(metrics: Sequence[Metric]) -> list[str]:
    head = ["| metric | type | unit | labels | meaning |", "|---|---|---|---|---|"]
    rows = [
        f"| `{metric.exposed_name}` | {metric.kind} | {metric.unit} "
        f"| {'; '.join(map(_label, metric.labels))} | {metric.help} |"
        for metric in metrics
    ]
    return [*head, *rows]


def _label(label: Label) -> str:
    if not label.values:
        return f"`{label.name}`: {label.meaning}"
    if len(label.values) > _FEW:
        return f"`{label.name}`: {len(label.values)} values, see below"
    return f"`{label.name}`: {', '.join(label.values)}"


def _buckets(metrics: Sequence[Metric]) -> list[str]:
    head = ["| histogram | upper bounds | why |", "|---|---|---|"]
    rows = [
        f"| `{metric.exposed_name}` | {', '.join(f'{bound:g}' for bound in metric.buckets)} "
        f"| {metric.bucket_reason} |"
        for metric in metrics
        if metric.kind == "histogram"
    ]
    return [*head, *rows]


if __name__ == "__main__":
    sys.stdout.write(metrics_tables())
