"""
What a panel is, and how Grafana 10 and later spell it.

Law: a panel says what to do when it looks bad, and where that is written.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from msgspec import Struct

from relayd.telemetry.grafana.queries import Query

__all__ = ["DATASOURCE", "Look", "Panel", "Row", "laid_out"]

Json = dict[str, Any]

DATASOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24
"""Grafana's columns."""


class Look(Enum):
    """How a panel shows its series."""

    NUMBER = "a number"
    CURVES = "curves"
    AREAS = "curves on top of one another"
    HEAT = "where values lie"
    STATES = "yes or no over time"


TYPES: Mapping[Look, str] = {
    Look.NUMBER: "stat",
    Look.CURVES: "timeseries",
    Look.AREAS: "timeseries",
    Look.HEAT: "heatmap",
    Look.STATES: "state-timeline",
}


class Panel(Struct, frozen=True, kw_only=True):
    """One picture: `unit` as Grafana names it, `bad` a value from which on it is, `width` of 24 columns."""

    title: str
    advice: str
    queries: tuple[Query, ...]
    unit: str
    runbook: str
    """The chapter about it: the alert's name."""
    look: Look = Look.CURVES
    bad: float | None = None
    below: bool = False
    """Bad is less than that, not more."""
    width: int = 8
    height: int = 8


class Row(Struct, frozen=True):
    """A question, and the panels that answer it."""

    title: str
    panels: tuple[Panel, ...]


def laid_out(rows: Sequence[Row]) -> list[Json]:
    """Return all rows and panels where they stand: from left to right, then below."""
    told: list[Json] = []
    top = 0
    for row in rows:
        told.append({"collapsed": False, "panels": [], "title": row.title, "type": "row"} | _place(0, top, WIDTH, 1))
        top, left, tallest = top + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > WIDTH:
                top, left, tallest = top + tallest, 0, 0
            told.append(_panel(panel) | _place(left, top, panel.width, panel.height))
            left, tallest = left + panel.width, max(tallest, panel.height)
        top += tallest
    return [{"id": number, **one} for number, one in enumerate(told, 1)]


def _place(left: int, top: int, width: int, height: int) -> Json:
    return {"gridPos": {"x": left, "y": top, "w": width, "h": height}}


def _panel(panel: Panel) -> Json:
    return {
        "type": TYPES[panel.look],
        "title": panel.title,
        "description": f"{panel.advice}\n\nRunbook: {panel.runbook}",
        "links": [
            {"title": f"Runbook: {panel.runbook}", "url": f"${{runbook}}#{panel.runbook.lower()}", "targetBlank": True}
        ],
        "datasource": DATASOURCE,
        "targets": [_target(panel, number, query) for number, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _field(panel), "overrides": []},
        "options": OPTIONS[panel.look],
    }


def _target(panel: Panel, number: int, query: Query) -> Json:
    return {
        "refId": chr(ord("A") + number),
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": query.expression,
        "legendFormat": query.legend,
        "format": "heatmap" if panel.look is Look.HEAT else "time_series",
        "instant": panel.look is Look.NUMBER,
        "range": panel.look is not Look.NUMBER,
    }


def _field(panel: Panel) -> Json:
    field: dict[str, Any] = {"unit": panel.unit, "thresholds": _thresholds(panel), "custom": CUSTOM[panel.look]}
    if panel.look in {Look.CURVES, Look.AREAS}:
        field |= {"min": 0, "color": {"mode": "palette-classic"}}
        if panel.bad is not None:
            field["custom"] = {**CUSTOM[panel.look], "thresholdsStyle": {"mode": "dashed"}}
    else:
        field |= {"color": {"mode": "thresholds"}}
    if panel.look is Look.STATES:
        words = {"0": {"text": "no", "color": "red", "index": 0}, "1": {"text": "yes", "color": "green", "index": 1}}
        field["mappings"] = [{"type": "value", "options": words}]
    return field


def _thresholds(panel: Panel) -> Json:
    usual, beyond = ("red", "green") if panel.below else ("green", "red")
    steps: list[Json] = [{"color": usual if panel.bad is not None else "text", "value": None}]
    if panel.bad is not None:
        steps.append({"color": beyond, "value": panel.bad})
    return {"mode": "absolute", "steps": steps}


def _drawn(stacking: str, filled: int) -> Json:
    return {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": filled,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": stacking, "group": "A"},
    }


LEGEND: Json = {"showLegend": True, "displayMode": "table", "placement": "right", "calcs": ["lastNotNull", "max"]}
LEGEND_BELOW: Json = {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []}
CURVES: Json = {
    # What happens most stands first; most reasons never happen.
    "legend": {**LEGEND, "sortBy": "Max", "sortDesc": True},
    "tooltip": {"mode": "multi", "sort": "desc"},
}

OPTIONS: Mapping[Look, Json] = {
    Look.NUMBER: {
        "reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": ""},
        "colorMode": "value",
        "graphMode": "none",
        "textMode": "auto",
        "justifyMode": "auto",
        "orientation": "auto",
    },
    Look.CURVES: CURVES,
    Look.AREAS: CURVES,
    Look.HEAT: {
        "calculate": False,
        "cellGap": 1,
        "color": {
            "mode": "scheme",
            "scheme": "Oranges",
            "exponent": 0.5,
            "steps": 64,
            "reverse": False,
            "fill": "orange",
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "tooltip": {"show": True, "mode": "single", "yHistogram": False},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": "s"},
    },
    Look.STATES: {
        "mergeValues": True,
        "showValue": "never",
        "alignValue": "left",
        "rowHeight": 0.8,
        "legend": LEGEND_BELOW,
        "tooltip": {"mode": "single", "sort": "none"},
    },
}
CUSTOM: Mapping[Look, Json] = {
    Look.NUMBER: {},
    Look.CURVES: _drawn("none", 0),
    Look.AREAS: _drawn("normal", 30),
    Look.HEAT: {"scaleDistribution": {"type": "linear"}, "hideFrom": {"legend": False, "tooltip": False, "viz": False}},
    Look.STATES: {"lineWidth": 0, "fillOpacity": 70},
}
