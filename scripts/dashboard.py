"""The dashboard for Grafana, made from `panels.py`: `python -m scripts.dashboard [--check]`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.panel import Panel
from scripts.panels import SECTIONS

FILE = Path(__file__).resolve().parents[1] / "deploy" / "grafana" / "dashboards" / "zeebe-amqp.json"
COLUMNS = 24
HEIGHTS = {"stat": 4, "names": 7, "timeseries": 7}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
DESCRIPTION = "Commands for Zeebe over RabbitMQ. Is every promise kept; if not, which part is it?"


def text() -> str:
    """The dashboard's JSON."""
    return json.dumps(dashboard(), indent=1) + "\n"


def dashboard() -> dict[str, Any]:
    """The dashboard, for provisioning and for import alike: the data source is a variable."""
    return {
        "uid": "zeebe-amqp",
        "title": "zeebe-amqp",
        "description": DESCRIPTION,
        "tags": ["zeebe-amqp"],
        "schemaVersion": 38,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "time": {"from": "now-3h", "to": "now"},
        "refresh": "30s",
        "annotations": {"list": []},
        "templating": {"list": [_source(), _variable("job", "zeebe_amqp_ready"), _instances()]},
        "panels": list(_panels()),
    }


def _source() -> dict[str, Any]:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}


def _instances() -> dict[str, Any]:
    return _variable("instance", 'zeebe_amqp_ready{job=~"$job"}')


def _variable(label: str, metric: str) -> dict[str, Any]:
    query = f"label_values({metric}, {label})"
    return {
        "name": label,
        "label": label.capitalize(),
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": label},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _panels() -> Iterator[dict[str, Any]]:
    """Rows and panels with their places, from the top."""
    y, number = 0, 0
    for section in SECTIONS:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": section.title,
            "collapsed": False,
            "panels": [],
            "gridPos": _at(0, y, COLUMNS, 1),
        }
        x, y, high = 0, y + 1, 0
        for panel in section.panels:
            if x + panel.width > COLUMNS:
                x, y = 0, y + high
            number, high = number + 1, HEIGHTS[panel.kind]
            yield {"id": number, "gridPos": _at(x, y, panel.width, high), **_panel(panel)}
            x += panel.width
        y += high


def _at(x: int, y: int, wide: int, high: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": wide, "h": high}


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "type": "timeseries" if panel.kind == "timeseries" else "stat",
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": SOURCE,
                "expr": expression,
                "legendFormat": legend,
                "range": True,
            }
            for number, (legend, expression) in enumerate(panel.expressions.items())
        ],
        "fieldConfig": {"defaults": _field(panel), "overrides": []},
        "options": _options(panel),
    }


def _field(panel: Panel) -> dict[str, Any]:
    shown: dict[str, Any] = {"unit": panel.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": _steps(panel)}}
    if panel.kind == "timeseries":
        lines = "dashed" if len(_steps(panel)) > 1 else "off"
        shown["custom"] = {"fillOpacity": 10, "showPoints": "never", "thresholdsStyle": {"mode": lines}}
    else:
        shown["color"] = {"mode": "thresholds"}
    return shown


def _steps(panel: Panel) -> list[dict[str, Any]]:
    steps = (("green", None), ("orange", panel.warn), ("red", panel.alarm))
    return [{"color": colour, "value": value} for colour, value in steps if colour == "green" or value is not None]


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "timeseries":
        return {"legend": {"showLegend": True, "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
    names = panel.kind == "names"
    return {
        "reduceOptions": {"calcs": ["lastNotNull"], "values": False},
        "textMode": "name" if names else "value",
        "colorMode": "value",
        "graphMode": "none" if names else "area",
    }


def main() -> int:
    """Write the dashboard; with --check only compare, exit code 1 when it is out of date."""
    same = FILE.exists() and FILE.read_text() == text()
    if "--check" in sys.argv[1:]:
        if not same:
            print(f"{FILE.name} is out of date: make dashboard", file=sys.stderr)
        return 0 if same else 1
    FILE.write_text(text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
