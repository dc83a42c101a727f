"""What the tests read of ``cluster/monitoring``: dashboards, rules, and their expressions."""

import json
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
MONITORING = ROOT / "cluster/monitoring"
RULE_FILES = sorted((MONITORING / "rules").glob("*.yml"))
DASHBOARD_FILES = sorted((MONITORING / "grafana/dashboards").glob("*.json"))


def read_yaml(name):
    return yaml.safe_load((MONITORING / name).read_text())


def rules():
    """All rules, recording ones first."""
    found = [
        rule
        for path in RULE_FILES
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]
    return sorted(found, key=lambda rule: "alert" in rule)


def alerts():
    """The alert rules by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def recorded_names():
    return {rule["record"] for rule in rules() if "record" in rule}


def dashboards():
    """The dashboards by file name."""
    return {path.stem: json.loads(path.read_text()) for path in DASHBOARD_FILES}


def panels(dashboard):
    """The panels that show something: all but the headings."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def panel_expressions():
    """``{dashboard/panel/letter: expression}`` of all panels and annotations."""
    found = {}
    for name, dashboard in dashboards().items():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                found[f"{name}/{panel['title']}/{target['refId']}"] = target["expr"]
        for annotation in dashboard["annotations"]["list"]:
            found[f"{name}/annotation/{annotation['name']}"] = annotation["expr"]
    return found
