"""
A staged incident: a busy relay's broker is away for two minutes, and a Prometheus with the shipped rules looks on.

Nothing is hurried: alerts wait for as long as their `for:` says, relay and broker have their usual settings.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from tests.harness.audience import TRANSPORTS, Audience
from tests.harness.checker import check
from tests.harness.daemon import PrivateRelay
from tests.harness.follower import until
from tests.harness.load import Load
from tests.harness.prometheus import PrivatePrometheus
from tests.harness.rabbitmq import PrivateRabbit
from tests.harness.viewer import log

__all__ = ["Incident", "staged"]

PROJECTS, EACH, RATE = 10, 2, 100
"""Projects, viewers of each by each transport, events a second."""
BEFORE, AWAY, AFTER = 45.0, 120.0, 60.0
"""Seconds."""
STEP = 1.0
ENDLESS = 10**9
LAST = -1
"""The number of each project's last event: nobody leaves before it, which would look like an outage."""

ASKED: Mapping[str, str] = {
    "connected": "relayd_broker_connected",
    "ready": "relayd_ready",
    "lag": "relayd_stream_lag_seconds",
    "canary": "time() - relayd_canary_last_success_timestamp_seconds",
    "deliveries": "sum(rate(relayd_deliveries_total[5s]))",
    "connections": "sum(relayd_connections)",
}
"""What Prometheus is asked for afterwards, each a single series."""

Course = list[tuple[float, float]]
"""(Seconds since the broker went, value)."""


class Incident(Struct):
    """What was seen; all times in seconds since the broker went."""

    back: float
    """When the broker took connections again."""
    ready: float
    """When the relay was ready again, as it said itself."""
    courses: dict[str, Course]
    alerts: dict[str, dict[str, list[float]]]
    """By name and state (pending, firing): when first and when last."""
    viewers: int
    events: int
    """How many were published and confirmed."""
    seen: int
    """How many events all viewers together saw."""
    cut: int
    """How often a viewer was cut off."""
    gaps: int
    broken: dict[str, str]
    """What the checker says of those who did not see everything once and in order."""


async def staged(folder: Path) -> Incident:
    """Stage it and return what was seen: about five minutes."""
    load = Load(ENDLESS, projects=PROJECTS, seed=1)
    with PrivateRabbit() as broker:
        amqp = broker.vhost("incident")
        async with PrivateRelay(rabbitmq=amqp) as relay, Audience(relay, seed=1) as audience:
            with PrivatePrometheus([f"127.0.0.1:{relay.admin_port}"]) as prometheus:
                for project_id in load.projects:
                    for transport in TRANSPORTS * EACH:
                        name = f"{transport}-{len(audience.onlookers)}"
                        audience.admit(name, [transport], {project_id: (project_id, LAST)})
                await audience.until_present()
                with load.publishing(amqp, folder, rate=RATE) as publishing:
                    began = time.time()
                    await asyncio.sleep(BEFORE)
                    # Those who publish would give up after a minute; these wait for the broker.
                    publishing.pause()
                    gone, back, ready = await outage(broker, relay)
                    publishing.go_on()
                    await until(lambda: prometheus.query("ALERTS") == [], seconds=1_200)
                    await asyncio.sleep(AFTER)
                    ended = time.time()
                    published, unsure = await publishing.stop()
                await say_last(relay, published.projects)
                await audience.until_done(seconds=120)
                keys = {name: [*published.keys(name), (name, LAST)] for name in published.projects}
                reports = {
                    one.name: check(keys[name], seen, unconfirmed=unsure)
                    for one in audience.onlookers
                    for name, seen in one.seen.items()
                }
                return Incident(
                    back=round(back - gone, 1),
                    ready=round(ready - gone, 1),
                    courses=courses(prometheus, began, gone, ended),
                    alerts=alerts(prometheus, began, gone, ended),
                    viewers=len(audience.onlookers),
                    events=sum(map(len, keys.values())) - len(unsure),
                    seen=audience.events,
                    cut=sum(one.away for one in audience.onlookers),
                    gaps=sum(one.gaps for one in audience.onlookers),
                    broken={name: str(report) for name, report in reports.items() if report.verdict != "whole"},
                )


async def outage(broker: PrivateRabbit, relay: PrivateRelay) -> tuple[float, float, float]:
    """Stop the broker and start it again; return when that was, when it was back, when the relay was ready."""
    gone = time.time()
    await broker.stop_async()
    await asyncio.sleep(gone + AWAY - time.time())
    await broker.start_async()
    back = time.time()
    await until(lambda: relay.probe("/readyz") == 200, seconds=120)
    return gone, back, time.time()


async def say_last(relay: PrivateRelay, projects: Sequence[str]) -> None:
    """Publish the last event of each project."""
    for project_id in projects:
        await relay.publish(log(project_id, "the end", key=str(LAST)))


def courses(prometheus: PrivatePrometheus, began: float, gone: float, ended: float) -> dict[str, Course]:
    """Return what was asked for, second by second."""
    found = {}
    for name, expression in ASKED.items():
        ((_, points),) = prometheus.course(expression, begin=began, end=ended, step=STEP)
        found[name] = since(gone, points)
    return found


def alerts(prometheus: PrivatePrometheus, began: float, gone: float, ended: float) -> dict[str, dict[str, list[float]]]:
    """Return each alert that stirred, by state: when first and when last."""
    found: dict[str, dict[str, list[float]]] = {}
    for labels, points in prometheus.course("ALERTS", begin=began, end=ended, step=STEP):
        times = [at for at, _ in since(gone, points)]
        found.setdefault(labels["alertname"], {})[labels["alertstate"]] = [times[0], times[-1]]
    return found


def since(gone: float, points: Sequence[tuple[float, float]]) -> Course:
    """Return points by the seconds since a moment."""
    return [(round(at - gone, 1), round(value, 3)) for at, value in points]
