"""The whole page, in the order in which somebody reads it who was woken."""

import json
from collections.abc import Mapping
from typing import Any

from relayd.telemetry import catalogue
from relayd.telemetry.grafana.insides import LEANS_ON, PROCESS, REFUSED
from relayd.telemetry.grafana.panels import DATASOURCE, laid_out
from relayd.telemetry.grafana.queries import JOB, named, scoped
from relayd.telemetry.grafana.viewers import FRESH, MUCH, SERVED, TIME

__all__ = ["ROWS", "render"]

SCHEMA = 38
"""Grafana 10.0's; later ones bring it up to theirs when they load it."""

ROWS = (SERVED, FRESH, MUCH, TIME, REFUSED, LEANS_ON, PROCESS)


def render() -> str:
    """Return the dashboard as Grafana imports it."""
    page = {
        "uid": "relayd",
        "title": "relayd",
        "description": "Are viewers served, how fresh is what they see, and if not, why. Each panel says what to do.",
        "tags": ["relayd"],
        "schemaVersion": SCHEMA,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "",
        "links": [],
        "templating": {"list": VARIABLES},
        "annotations": {"list": ANNOTATIONS},
        "panels": laid_out(ROWS),
    }
    return json.dumps(page, indent=2, ensure_ascii=False) + "\n"


def _asked(name: str, query: str, **more: object) -> Mapping[str, Any]:
    return {
        "name": name,
        "label": name,
        "type": "query",
        "datasource": DATASOURCE,
        "definition": query,
        "query": {"query": query, "refId": f"variable-{name}"},
        # With each change of the time that is looked at: relays come and go.
        "refresh": 2,
        "sort": 1,
        "current": {},
        **more,
    }


VARIABLES = [
    {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "current": {}},
    _asked("job", f"label_values({catalogue.BUILD_INFO.name}, job)"),
    _asked(
        "instance",
        f"label_values({catalogue.BUILD_INFO.name}{{{JOB}}}, instance)",
        multi=True,
        includeAll=True,
        allValue=".*",
        current={"selected": True, "text": ["All"], "value": ["$__all"]},
    ),
    {
        "name": "runbook",
        "label": "where runbook.md is read",
        "type": "textbox",
        "query": "runbook.md",
        "current": {"text": "runbook.md", "value": "runbook.md"},
        "options": [{"selected": True, "text": "runbook.md", "value": "runbook.md"}],
    },
]


def _marked(name: str, expression: str, *, color: str, title: str, text: str, **more: object) -> Mapping[str, Any]:
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "expr": expression,
        "iconColor": color,
        "titleFormat": title,
        "textFormat": text,
        **more,
    }


ANNOTATIONS = [
    {
        "builtIn": 1,
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)",
        "name": "Annotations & Alerts",
        "type": "dashboard",
    },
    _marked(
        "Starts",
        f"{named('process_start_time_seconds')} * 1000",
        color="blue",
        title="started",
        text="{{instance}}",
        # The value is the moment, in milliseconds, so that it is right however seldom somebody scrapes.
        useValueForTime=True,
    ),
    _marked(
        "The log made anew",
        f"increase({scoped(catalogue.EPOCH_CHANGES)}[2m]) > 0",
        color="purple",
        title="the stream was deleted or made anew",
        text="{{instance}}",
        step="60s",
    ),
    _marked(
        "Alerts that fire",
        f'ALERTS{{alertstate="firing",{JOB}}}',
        color="red",
        title="{{alertname}}",
        text="{{instance}}",
        tagKeys="severity",
        step="30s",
    ),
]
