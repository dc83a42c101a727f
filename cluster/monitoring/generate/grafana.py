"""The pieces of a Grafana dashboard as its JSON wants them; schema version 39, Grafana 11.

Panels are laid out as text is: from left to right, a new line where one does not fit, and a heading
before each section.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]

COLUMNS = 24
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
CLUSTER = 'ray_cluster="$ray_cluster"'
"""What the word CLUSTER in an expression stands for."""


@dataclass(frozen=True)
class Query:
    """One expression and how its series are called, such as ``{{stage}}``."""

    expr: str
    legend: str = "__auto"

    def target(self, kind: str, number: int) -> Json:
        """The target of a panel of this kind."""
        return {
            "refId": chr(ord("A") + number),
            "datasource": DATASOURCE,
            "expr": self.expr.replace("CLUSTER", CLUSTER),
            "legendFormat": self.legend,
            "format": {"heatmap": "heatmap", "table": "table"}.get(kind, "time_series"),
            "instant": kind in ("bargauge", "table"),
            "range": kind not in ("bargauge", "table"),
        }


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        kind: of Grafana.
        title: a few words.
        description: what is seen, and when it is good.
        unit: of Grafana, or ``suffix:`` and a text.
        queries: what is drawn.
        width: in columns.
        height: in rows of the grid.
        steps: colours from these values on; the lowest part is neutral or, with steps, green.
        limits: smallest and largest value of the axis, where they are known.
        is_stacked: whether series add up.
    """

    kind: Literal["stat", "timeseries", "bargauge", "heatmap", "table"]
    title: str
    description: str
    unit: str
    queries: Sequence[Query]
    width: int = 8
    height: int = 7
    steps: Mapping[str, float] = field(default_factory=dict)
    limits: tuple[float | None, float | None] = (None, None)
    is_stacked: bool = False

    def json(self, number: int, x: int, y: int) -> Json:
        """The panel at a place of the grid."""
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": DATASOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "fieldConfig": {"defaults": self._defaults(), "overrides": []},
            "options": _options(self.kind),
            "targets": [query.target(self.kind, n) for n, query in enumerate(self.queries)],
        }

    def _defaults(self) -> Json:
        base = {"color": "green" if self.steps else "text", "value": None}
        steps = [{"color": color, "value": value} for color, value in self.steps.items()]
        defaults: Json = {
            "unit": self.unit,
            "color": {"mode": _color_mode(self.kind)},
            "thresholds": {"mode": "absolute", "steps": [base, *steps]},
        }
        names = ("min", "max")
        defaults |= {n: v for n, v in zip(names, self.limits, strict=True) if v is not None}
        if self.kind == "timeseries":
            defaults["custom"] = {
                "lineWidth": 1,
                "fillOpacity": 30 if self.is_stacked else 0,
                "stacking": {"mode": "normal" if self.is_stacked else "none"},
                "thresholdsStyle": {"mode": "line" if self.steps else "off"},
                "showPoints": "auto",
            }
        return defaults


def stat(title: str, description: str, unit: str, *queries: Query, **more: Any) -> Panel:  # noqa: ANN401
    """A number that is read from afar."""
    return Panel("stat", title, description, unit, queries, **{"width": 4, "height": 4} | more)


def graph(title: str, description: str, unit: str, *queries: Query, **more: Any) -> Panel:  # noqa: ANN401
    """Lines over time."""
    return Panel("timeseries", title, description, unit, queries, **more)


def bars(title: str, description: str, unit: str, *queries: Query, **more: Any) -> Panel:  # noqa: ANN401
    """One bar for each series, as it is now."""
    return Panel("bargauge", title, description, unit, queries, **more)


def heatmap(title: str, description: str, unit: str, expr: str, **more: Any) -> Panel:  # noqa: ANN401
    """How a histogram changes over time."""
    return Panel("heatmap", title, description, unit, [Query(expr, "{{le}}")], **more)


def table(title: str, description: str, *queries: Query, **more: Any) -> Panel:  # noqa: ANN401
    """The labels of series, one line each."""
    return Panel("table", title, description, "none", queries, **more)


@dataclass(frozen=True)
class Dashboard:
    """One dashboard: panels under the headings of their sections."""

    uid: str
    title: str
    description: str
    sections: Mapping[str, Sequence[Panel]]

    def json(self) -> Json:
        """What Grafana reads."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["latentsep"],
            "schemaVersion": 39,
            "editable": False,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": "now-6h", "to": "now"},
            "timezone": "browser",
            "links": [_other_dashboards()],
            "templating": {"list": [_datasource_variable(), _cluster_variable()]},
            "annotations": {"list": [_alerts()]},
            "panels": list(self._panels()),
        }

    def _panels(self) -> Iterator[Json]:
        number, y = 0, 0
        for heading, panels in self.sections.items():
            number += 1
            yield _heading(heading, number, y)
            x, y, line_height = 0, y + 1, 0
            for panel in panels:
                number += 1
                if x + panel.width > COLUMNS:
                    x, y, line_height = 0, y + line_height, 0
                yield panel.json(number, x, y)
                x, line_height = x + panel.width, max(line_height, panel.height)
            y += line_height


def _heading(title: str, number: int, y: int) -> Json:
    grid = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
    return {
        "id": number, "type": "row", "title": title, "collapsed": False, "gridPos": grid,
        "panels": [],
    }  # fmt: skip


def _color_mode(kind: str) -> str:
    return "palette-classic" if kind == "timeseries" else "thresholds"


def _options(kind: str) -> Json:
    last = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
    options: dict[str, Json] = {
        "stat": {"reduceOptions": last, "colorMode": "value", "graphMode": "none"},
        "timeseries": {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}},
        "bargauge": {"reduceOptions": last, "orientation": "horizontal", "displayMode": "basic"},
        "heatmap": {"calculate": False, "yAxis": {"axisPlacement": "left"}},
        "table": {"showHeader": True},
    }
    return options[kind]


def _datasource_variable() -> Json:
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
    }


def _cluster_variable() -> Json:
    query = "label_values(latentsep_tracks_planned, ray_cluster)"
    return {
        "name": "ray_cluster", "label": "Ray cluster", "type": "query", "datasource": DATASOURCE,
        "query": {"query": query, "refId": "A"}, "refresh": 2, "sort": 1, "includeAll": False,
        "multi": False,
    }  # fmt: skip


def _alerts() -> Json:
    return {
        "name": "Alerts", "enable": True, "datasource": DATASOURCE, "iconColor": "red",
        "expr": f'ALERTS{{{CLUSTER}, alertstate="firing"}}', "titleFormat": "{{alertname}}",
    }  # fmt: skip


def _other_dashboards() -> Json:
    return {
        "title": "latentsep", "type": "dashboards", "tags": ["latentsep"], "asDropdown": False,
        "includeVars": True, "keepTime": True,
    }  # fmt: skip
