"""Writes Grafana's dashboards and the rules for Kubernetes: ``python cluster/monitoring/generate``.

What is committed must be what this makes; ``tests/unit/test_monitoring_files.py`` compares.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import cluster_dashboard
import quality_dashboard
import run_dashboard
import yaml

HERE = Path(__file__).resolve().parents[1]
DASHBOARDS = {
    "run": run_dashboard.DASHBOARD,
    "cluster": cluster_dashboard.DASHBOARD,
    "quality": quality_dashboard.DASHBOARD,
}
NOTE = "# Made of rules/*.yml by `python cluster/monitoring/generate`; change those.\n"


def prometheus_rule() -> dict[str, Any]:
    """All groups of rules as one object of the Prometheus operator."""
    files = sorted((HERE / "rules").glob("*.yml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "latentsep", "namespace": "latentsep"},
        "spec": {"groups": groups},
    }


def write(out: Path) -> None:
    """Write all files below a folder."""
    for name, dashboard in DASHBOARDS.items():
        text = json.dumps(dashboard.json(), indent=1) + "\n"
        _write(out / "grafana/dashboards" / f"{name}.json", text)
    rules = yaml.safe_dump(prometheus_rule(), sort_keys=False, width=100)
    _write(out / "kubernetes/prometheusrule.yaml", NOTE + rules)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE)
    write(parser.parse_args().out)
