"""
A real Prometheus scrapes a real relay that is busy, and is asked all that dashboard, rules and runbook ask.

Viewers come over every transport, one of them reads too slowly, some have tokens that open nothing; producers repeat
themselves, tell secrets and what nobody understands.  Broker, Redis, an issuer of keys are there, and an API that takes
back a right that it granted.
"""

import asyncio
import json
import math
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from relayd.rabbitmq.publish import Publisher
from relayd.rabbitmq.settings import RabbitSettings
from relayd.telemetry.grafana.dashboard import ROWS, render
from relayd.telemetry.grafana.panels import Panel
from relayd.telemetry.grafana.queries import Query
from tests.harness.audience import TRANSPORTS, Audience
from tests.harness.daemon import PrivateRelay
from tests.harness.follower import until
from tests.harness.issuer import Issuer
from tests.harness.load import Load
from tests.harness.pairs import pair
from tests.harness.product import ProductApi
from tests.harness.prometheus import DEPLOYED, PrivatePrometheus, Sample
from tests.harness.rabbitmq import PrivateRabbit
from tests.harness.redis import PrivateRedis
from tests.harness.settled import Tables
from tests.harness.viewer import log, watch

PANELS = [panel for row in ROWS for panel in row.panels]
MARKS = {one["name"]: one["expr"] for one in json.loads(render())["annotations"]["list"] if "expr" in one}

VARIABLES = {"$job": "relayd", "$instance": ".*", "$__rate_interval": "1m"}
"""What Grafana would put in their places."""

AT_REST = {
    "Alerts that fire",
    "Delivery budget: how fast does it burn?",
    "Handshake budget: how fast does it burn?",
    "How far behind the log is each relay?",
    "What waits in the log?",
    "Limits that are met",
    "Why was reading begun anew?",
    "Canaries that are missing",
    "Breaks of the log",
    "Faults of relayd's own",
}
"""Panels of zeros."""
AT_REST_BESIDE = {"errors", "moved aside"}
"""Curves of zeros, of the journal."""

SECRET = "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"
BEHIND = 'relayd_fell_behind_total{transport="websocket"}'
LINES = 'relayd_broker_messages_total{type="workflow_log"}'
LOUD, TIMES, BODY = "loud", 60, 20
BUS = "acme.bus"
"""A further exchange that leads into the stream."""
SCRAPES = 8
"""Of a second each; what has happened is seen in the next."""


@dataclass(frozen=True)
class Seen:
    """What Prometheus answered."""

    panels: Mapping[str, list[list[Sample]]]
    """By title, for each query of a panel."""
    marks: Mapping[str, list[Sample]]
    names: set[str]
    rules: list[dict[str, Any]]


@pytest.fixture(scope="module")
def seen(rabbitmq: PrivateRabbit, redis: PrivateRedis, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Let a relay be busy for some seconds while it is scraped, and ask everything."""
    with asyncio.Runner() as runner:
        return runner.run(watched(rabbitmq.vhost("scraped"), redis, tmp_path_factory.mktemp("scraped")))


async def watched(amqp: str, redis: PrivateRedis, folder: Path) -> Seen:
    """Return what a Prometheus has seen of a busy relay."""
    async with Issuer(pair("a").jwk()) as issuer, ProductApi() as api:
        tables: Tables = {
            "auth": {"authorizers": ["claims", "http"], "recheck_seconds": 1},
            "auth.jwks": {"url": issuer.url},
            "authorizers.http": {"url": api.url},
            "limits": {"max_backlog": 600},
            "server": {"max_memory_mib": 4_096},
            "presence": {"use": "redis"},
            "presence.redis": {"url": redis.url, "prefix": f"test-{secrets.token_hex(4)}:", "patience_seconds": 5.0},
            "sources.rabbitmq": {"canary_seconds": 1, "bindings": [{"exchange": BUS, "dialect": "native"}]},
        }
        async with PrivateRelay(tables, rabbitmq=amqp) as relay:
            with PrivatePrometheus([f"127.0.0.1:{relay.admin_port}"]) as prometheus:
                # A counter's first value is no rise: it has to be seen at rest.
                await until(lambda: prometheus.query("relayd_ready == 1") != [])
                async with busy(relay, amqp, folder, api):
                    return await asked(prometheus)


@asynccontextmanager
async def busy(relay: PrivateRelay, amqp: str, folder: Path, api: ProductApi) -> AsyncIterator[None]:
    """Do all that a relay counts; some viewers stay until the block ends."""
    load = Load(1_500, projects=4, seed=1)
    async with Audience(relay, seed=1) as audience, watch(relay, None), watch(relay, "load-1"):
        for project_id in load.projects:
            for transport in TRANSPORTS:
                audience.admit(f"{transport}-{project_id}", [transport], load.last([project_id]), restless=True)
        audience.admit("many", ["many"], load.last(load.projects))
        await audience.until_present()
        await load.publish(amqp, folder, rate=400)
        await audience.until_done()
        assert {} == audience.broken(lambda _, project_id: load.keys(project_id))
        # A viewer that is told the gap while its socket has room was not slow: then once more.
        while not relay.metric(BEHIND):
            await slowly_read(relay, amqp)
        async with watch(relay, "load-1", token=relay.token("eve", projects=())) as viewer:
            await viewer.hears("connection_established")
            api.status = 403
            assert (await viewer.ending())[0] == 4403
        for word in ("nonsense", relay.token(ttl=-600)):
            async with watch(relay, "load-1", token=word) as viewer:
                assert (await viewer.ending())[0] == 4401
        async with Publisher(RabbitSettings.model_validate({"url": amqp, "exchange": BUS})) as publisher:
            await publisher.publish("p", "workflow_log", json.dumps(log("p", "over another exchange")).encode())
        async with Publisher(RabbitSettings.model_validate({"url": amqp})) as publisher:
            await publisher.publish("p", "workflow_log", b'{"type": "workflow_log", "proj')
            for _ in range(2):
                body = json.dumps(log("p", f"asked with {SECRET}")).encode()
                await publisher.publish("p", "workflow_log", body, message_id="said twice")
        yield


async def slowly_read(relay: PrivateRelay, amqp: str) -> None:
    """Publish more to a project than the socket of its viewer takes, and read on when it is too late."""
    body = json.dumps([log(LOUD, "x" * 1_500)] * BODY).encode()
    before = relay.metric(LINES)
    async with watch(relay, LOUD, narrow=True) as viewer:
        await viewer.frame()
        async with Publisher(RabbitSettings.model_validate({"url": amqp})) as publisher:
            for published in range(BODY, TIMES * BODY + 1, BODY):
                await publisher.publish(LOUD, "workflow_log", body)
                # One after the other: all at once would be too far behind before anything is written to the socket.
                await asyncio.to_thread(relay.wait_for_metric, LINES, before + published)
        while (await viewer.hears("connection_established"))["replay"] != "gap":
            pass


async def asked(prometheus: PrivatePrometheus) -> Seen:
    """Ask what every panel asks, until it is there: a rise is seen a scrape later."""
    panels = {panel.title: [await told(prometheus, panel, query) for query in panel.queries] for panel in PANELS}
    await until(lambda: "unknown" not in {rule["health"] for rule in prometheus.rules()})
    marks = {name: prometheus.query(spelled(expression)) for name, expression in MARKS.items()}
    return Seen(panels, marks, prometheus.names(), prometheus.rules())


async def told(prometheus: PrivatePrometheus, panel: Panel, query: Query) -> list[Sample]:
    """Return what a query of a panel is; if that is nothing, or nothing but zeros, after some more scrapes."""
    expression = spelled(query.expression)
    for _ in range(SCRAPES):
        if at_rest(panel, query) or any(value > 0 for _, value in prometheus.query(expression)):
            return prometheus.query(expression)
        await asyncio.sleep(1)
    # Panels are asked one after the other: what happened at the beginning may be out of the last minute by now.
    return prometheus.query(f"max_over_time(({expression})[10m:1s])")


def at_rest(panel: Panel, query: Query) -> bool:
    """Return whether it shows nothing but zeros while all is well; it has to be there all the same."""
    return panel.title in AT_REST or query.legend in AT_REST_BESIDE


def spelled(expression: str) -> str:
    """Return an expression as Grafana sends it."""
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    return expression


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_every_panel_has_something_to_show(seen: Seen, panel: Panel) -> None:
    """Each query has an answer, and one that is not zero, unless that is how it looks when all is well."""
    for query, samples in zip(panel.queries, seen.panels[panel.title], strict=True):
        # Of what did not happen there is no quantile.
        values = [value for _, value in samples if not math.isnan(value)]
        assert values, query.expression
        assert at_rest(panel, query) or any(value > 0 for value in values), query.expression


def test_series_have_names(seen: Seen) -> None:
    """A label that a legend speaks of is there."""
    for panel in PANELS:
        for query, samples in zip(panel.queries, seen.panels[panel.title], strict=True):
            labels = set(re.findall(r"\{\{(\w+)\}\}", query.legend))
            assert all(labels <= {*metric} for metric, _ in samples), query.expression


def test_marks_make_sense(seen: Seen) -> None:
    """A start is marked at its time; no alert fires and no log was made anew."""
    assert ["Starts"] == [name for name, samples in seen.marks.items() if samples]
    ((_, began),) = seen.marks["Starts"]
    assert 1.7e12 < began < 1e13


def test_every_rule_is_evaluated(seen: Seen) -> None:
    """The real Prometheus takes the shipped rules as they are, and no evaluation fails."""
    assert [] == [rule["name"] for rule in seen.rules if rule["health"] != "ok" or rule.get("lastError")]
    shipped = re.findall(r"- (?:alert|record): (\S+)", (DEPLOYED / "relayd.rules.yml").read_text(encoding="utf-8"))
    assert sorted(shipped) == sorted(rule["name"] for rule in seen.rules)
    assert {"inactive"} == {rule["state"] for rule in seen.rules if rule["type"] == "alerting"} - {"pending"}


@pytest.mark.parametrize("path", ["relayd.rules.yml", "runbook.md", "../grafana/relayd.json", "../../docs/operate.md"])
def test_what_is_spoken_of_is_scraped(seen: Seen, path: str) -> None:
    """A name that does not exist sends somebody at night to an empty picture."""
    text = (DEPLOYED / path).read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:relayd|process)_[a-z_]*[a-z]\b(?!\w*\s*\()|\brelayd:[a-z0-9_:]+", text))
    families = {name.removesuffix(end) for name in seen.names for end in ("_bucket", "_count", "_sum")}
    assert named & seen.names
    assert set() == named - seen.names - families
