"""
A swarm, a broker, a relay and its viewers, all of them real, and between each two of them a wire that breaks.

    swarm ── from_swarm ── broker ── to_broker ── relay ── to_viewers ── viewers
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.harness.audience import TRANSPORTS, Audience
from tests.harness.checker import Key
from tests.harness.daemon import PrivateRelay
from tests.harness.load import Load, Publishing
from tests.harness.proxy import Proxy
from tests.harness.rabbitmq import PrivateRabbit
from tests.harness.settled import Addresses, Tables

__all__ = ["LAST", "NIMBLE", "Scene", "through", "whole_scene"]

NIMBLE: Tables = {"sources.rabbitmq": {"heartbeat": 1, "backoff_seconds": 1.0, "connect_seconds": 3.0}}
"""An outage of a test is short, so what a relay waits for is."""

PROJECTS = 8
ENDLESS = 10**9

LAST = -1
"""The number of each project's last event: nobody knows beforehand how many come before it."""


class Behind(Addresses):
    """A relay behind a wire."""

    def __init__(self, wire: Proxy) -> None:
        self.url = f"http://127.0.0.1:{wire.port}"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """All who play, and the wires between them."""

    broker: PrivateRabbit
    relay: PrivateRelay
    from_swarm: Proxy
    to_broker: Proxy
    to_viewers: Proxy
    audience: Audience
    publishing: Publishing
    rate: int
    """Events a second that the swarm is asked for."""


@asynccontextmanager
async def whole_scene(
    broker: PrivateRabbit, folder: Path, *, seed: int, rate: int, tables: Tables = NIMBLE
) -> AsyncIterator[Scene]:
    """Give a scene whose viewers are present and whose swarm speaks; `tables` configure the relay."""
    load = Load(ENDLESS, projects=PROJECTS, seed=seed)
    async with (
        Proxy(broker.port) as from_swarm,
        Proxy(broker.port) as to_broker,
        PrivateRelay(tables, rabbitmq=through(broker.url, to_broker)) as relay,
        Proxy(relay.port) as to_viewers,
        Audience(Behind(to_viewers), seed=seed) as audience,
    ):
        come(audience, load.projects)
        await audience.until_present()
        with load.publishing(through(broker.url, from_swarm), folder, rate=rate) as publishing:
            await publishing.until_confirmed(rate)
            yield Scene(
                broker=broker,
                relay=relay,
                from_swarm=from_swarm,
                to_broker=to_broker,
                to_viewers=to_viewers,
                audience=audience,
                publishing=publishing,
                rate=rate,
            )


def through(url: str, wire: Proxy) -> str:
    """Return an AMQP URL that leads through a wire."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{wire.port}").geturl()


def come(audience: Audience, projects: Sequence[str]) -> None:
    """Let in steady viewers over each transport, and restless ones who come and go over all of them."""

    def last(*names: str) -> dict[str, Key]:
        return {name: (name, LAST) for name in names}

    for number, transport in enumerate([*TRANSPORTS, *TRANSPORTS]):
        audience.admit(f"steady-{transport}-{number}", [transport], last(projects[number % len(projects)]))
    for number, project_id in enumerate(projects):
        audience.admit(f"restless-{number}", TRANSPORTS, last(project_id), restless=True)
    half = len(projects) // 2
    audience.admit("steady-many", ["many"], last(*projects))
    audience.admit("restless-many-1", ["many"], last(*projects[:half]), restless=True)
    audience.admit("restless-many-2", ["many"], last(*projects[half:]), restless=True)
