import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import jsonschema
import pytest
import yaml
from monitoring_files import (
    DASHBOARD_FILES,
    MONITORING,
    ROOT,
    alerts,
    dashboards,
    panel_expressions,
    panels,
    read_yaml,
    recorded_names,
    rules,
)

from latentsep.monitoring.definitions import METRICS
from latentsep.pipeline.job_config import MetricsConfig

ALERTS, DASHBOARDS = alerts(), dashboards()
EXPRESSIONS = [*panel_expressions().values(), *(rule["expr"] for rule in rules())]
OWN_NAME = re.compile(r"\b(?:ray_)?latentsep_\w+")
RECORDED_NAME = re.compile(r"\blatentsep:[\w:]+")

POSITION = {
    "type": "object",
    "properties": {
        "x": {"type": "integer", "minimum": 0, "maximum": 23},
        "y": {"type": "integer", "minimum": 0},
        "w": {"type": "integer", "minimum": 1, "maximum": 24},
        "h": {"type": "integer", "minimum": 1},
    },
    "required": ["x", "y", "w", "h"],
    "additionalProperties": False,
}
DATASOURCE = {"const": {"type": "prometheus", "uid": "${datasource}"}}
TARGET = {
    "type": "object",
    "properties": {
        "refId": {"type": "string", "pattern": "^[A-Z]$"},
        "datasource": DATASOURCE,
        "expr": {"type": "string", "pattern": r'ray_cluster="\$ray_cluster"'},
        "legendFormat": {"type": "string"},
        "format": {"enum": ["time_series", "heatmap", "table"]},
        "instant": {"type": "boolean"},
        "range": {"type": "boolean"},
    },
    "required": ["refId", "datasource", "expr", "legendFormat", "format", "instant", "range"],
    "additionalProperties": False,
}
PANEL = {
    "type": "object",
    "properties": {
        "id": {"type": "integer", "minimum": 1},
        "type": {"enum": ["stat", "timeseries", "bargauge", "heatmap", "table"]},
        "title": {"type": "string", "minLength": 3},
        "description": {"type": "string", "minLength": 10},
        "datasource": DATASOURCE,
        "gridPos": POSITION,
        "fieldConfig": {
            "type": "object",
            "properties": {
                "defaults": {
                    "type": "object",
                    "properties": {"unit": {"type": "string", "minLength": 1}},
                    "required": ["unit", "thresholds"],
                }
            },
            "required": ["defaults", "overrides"],
        },
        "options": {"type": "object"},
        "targets": {"type": "array", "items": TARGET, "minItems": 1},
    },
    "required": [
        "id", "type", "title", "description", "datasource", "gridPos", "fieldConfig", "options",
        "targets",
    ],
    "additionalProperties": False,
}  # fmt: skip


@pytest.fixture(params=DASHBOARDS, name="dashboard")
def _dashboard(request):
    return DASHBOARDS[request.param]


def test_what_is_committed_is_what_is_generated(tmp_path):
    command = [sys.executable, MONITORING / "generate", "--out", tmp_path]
    subprocess.run(command, check=True)
    made = {p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file()}
    assert {MONITORING / name for name in made} > set(DASHBOARD_FILES)
    for name in made:
        assert (MONITORING / name).read_text() == (tmp_path / name).read_text(), (
            f"{name}: run `python cluster/monitoring/generate`"
        )


def test_there_is_a_dashboard_for_each_kind_of_reader():
    assert list(DASHBOARDS) == ["cluster", "quality", "run"]
    assert len({dashboard["uid"] for dashboard in DASHBOARDS.values()}) == 3


def test_panels_have_all_that_grafana_and_a_reader_need(dashboard):
    for panel in panels(dashboard):
        jsonschema.validate(panel, PANEL)


def test_ids_and_titles_of_a_dashboard_are_unique(dashboard):
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    titles = [(panel["title"], panel["type"]) for panel in dashboard["panels"]]
    assert len(set(titles)) == len(titles)
    for panel in panels(dashboard):
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters)


def test_panels_lie_within_the_grid_and_none_on_another(dashboard):
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


def test_variables_are_those_that_panels_use(dashboard):
    named = {variable["name"]: variable["type"] for variable in dashboard["templating"]["list"]}
    assert named == {"datasource": "datasource", "ray_cluster": "query"}
    assert dashboard["annotations"]["list"][0]["datasource"] == DATASOURCE["const"]


def test_every_name_of_ours_in_an_expression_is_one_that_is_exposed():
    exposed = {name for metric in METRICS for name in metric.series_names}
    # A histogram with negative bounds is exposed without these: prometheus_client leaves them out.
    for metric in METRICS:
        if metric.buckets and metric.buckets[0] < 0:
            exposed -= {metric.exposed_name + "_sum", metric.exposed_name + "_count"}
    used = {name for expr in EXPRESSIONS for name in OWN_NAME.findall(expr)}
    assert used - exposed == set()


def test_every_metric_of_ours_is_shown_or_watched():
    used = {name for expr in EXPRESSIONS for name in OWN_NAME.findall(expr)}
    unseen = [metric.name for metric in METRICS if not used.intersection(metric.series_names)]
    assert unseen == []


def test_every_recorded_name_is_used_and_every_used_one_is_recorded():
    used = {name for expr in EXPRESSIONS for name in RECORDED_NAME.findall(expr)}
    assert used == recorded_names()


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_it_is_and_where_to_read_on(name):
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert anchor == name.lower()
    assert f"### {name}\n" in (ROOT / page).read_text()


def test_the_runbook_has_no_alert_that_is_gone():
    page = (ROOT / "docs/monitoring.md").read_text()
    assert set(re.findall(r"^### (Latentsep\w+)$", page, re.MULTILINE)) == set(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_promtool_is_asked_whether_an_alert_fires_and_whether_it_stays_quiet(name):
    asked = f'count(ALERTS{{alertname="{name}", alertstate="firing"}})'
    cases = [
        case["exp_samples"]
        for test in read_yaml("tests/alerts.yml")["tests"]
        for case in test["promql_expr_test"]
        if case["expr"] == asked
    ]
    assert [{"labels": "{}", "value": 1}] in cases, f"{name} is never seen to fire"
    assert [] in cases, f"{name} is never seen to stay quiet"


def test_prometheus_and_kubernetes_ask_the_port_that_a_driver_opens():
    port = MetricsConfig().port
    jobs = {job["job_name"]: job for job in read_yaml("prometheus.yml")["scrape_configs"]}
    assert jobs["latentsep"]["static_configs"] == [{"targets": [f"127.0.0.1:{port}"]}]
    _, driver = read_yaml("kubernetes/podmonitor.yaml")["spec"]["podMetricsEndpoints"]
    assert f"$1:{port}" in [step.get("replacement") for step in driver["relabelings"]]
    (policy,) = yaml.safe_load_all((ROOT / "cluster/networkpolicy.yaml").read_text())
    assert {"protocol": "TCP", "port": port} in [
        entry for rule in policy["spec"]["ingress"] for entry in rule.get("ports", ())
    ]


def test_kubernetes_drops_of_ray_what_prometheus_drops():
    jobs = {job["job_name"]: job for job in read_yaml("prometheus.yml")["scrape_configs"]}
    endpoint, _ = read_yaml("kubernetes/podmonitor.yaml")["spec"]["podMetricsEndpoints"]
    dropped = [
        {re.sub("_(.)", lambda found: found[1].upper(), key): value for key, value in step.items()}
        for step in jobs["ray"]["metric_relabel_configs"]
    ]
    assert endpoint["metricRelabelings"] == dropped
    pattern = re.compile(dropped[0]["regex"])
    used = {name for expr in EXPRESSIONS for name in re.findall(r"\bray_\w+", expr)}
    assert [name for name in used if pattern.fullmatch(name)] == []


@pytest.mark.parametrize(
    ("pod_cluster", "named"),
    [("catalogue-x2x9k", "catalogue"), ("catalogue-raycluster-x2x9k", "catalogue")],
)
def test_tries_of_one_job_on_kubernetes_have_one_name(pod_cluster, named):
    for endpoint in read_yaml("kubernetes/podmonitor.yaml")["spec"]["podMetricsEndpoints"]:
        assert re.fullmatch(endpoint["relabelings"][-1]["regex"], pod_cluster)[1] == named


def test_the_monitor_chooses_the_pods_of_the_job():
    job = ROOT / "cluster/kuberay/rayjob.yaml"
    (ray_job,) = (d for d in yaml.safe_load_all(job.read_text()) if d["kind"] == "RayJob")
    labels = ray_job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["metadata"]["labels"]
    monitor = read_yaml("kubernetes/podmonitor.yaml")
    chosen = monitor["spec"]["selector"]["matchLabels"]
    assert chosen == {**labels, "ray.io/is-ray-node": "yes"}
    assert monitor["metadata"]["namespace"] == ray_job["metadata"]["namespace"]


def test_compose_listens_on_loopback_alone_with_images_that_stay():
    services = read_yaml("compose.yaml")["services"]
    assert set(services) == {"prometheus", "alertmanager", "node-exporter", "grafana"}
    for name, service in services.items():
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), name
        assert "ports" not in service
        told = " ".join(service.get("command", ())) + str(service.get("environment", ""))
        assert re.search(r"listen-address=127\.0\.0\.1:|HTTP_ADDR': '127\.0\.0\.1'", told), name
    assert "--cluster.listen-address=" in services["alertmanager"]["command"]


def test_compose_gives_its_servers_files_that_are_there_where_they_look():
    places = {}
    for name, service in read_yaml("compose.yaml")["services"].items():
        for source, place in (volume.split(":")[:2] for volume in service["volumes"]):
            if source.startswith("."):
                assert (MONITORING / source).exists(), source
                places.setdefault(name, []).append(place)
    (provider,) = read_yaml("grafana/provisioning/dashboards/latentsep.yaml")["providers"]
    assert provider["options"]["path"] in places["grafana"]
    home = "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"
    shown = read_yaml("compose.yaml")["services"]["grafana"]["environment"][home]
    assert Path(shown) == Path(provider["options"]["path"], "run.json")
    # Rules are looked for beside the configuration.
    assert places["prometheus"] == ["/etc/prometheus/prometheus.yml", "/etc/prometheus/rules"]
    assert read_yaml("prometheus.yml")["rule_files"] == ["rules/*.yml"]
    (source,) = read_yaml("grafana/provisioning/datasources/latentsep.yaml")["datasources"]
    assert (
        source["jsonData"]["timeInterval"]
        == read_yaml("prometheus.yml")["global"]["scrape_interval"]
    )
