"""
A swarm publishes to a real RabbitMQ, a real relay reads it, and every viewer gets exactly its events.

The seed decides what is told, where viewers leave and when they come back; it is printed when a test fails.
"""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from tests.harness.audience import TRANSPORTS, Audience, Onlooker
from tests.harness.checker import Key
from tests.harness.daemon import PrivateRelay
from tests.harness.load import FILTERS, Load, Publishing, Wanted, everything

PER_TRANSPORT = 20


@pytest.fixture
async def relay(amqp: str) -> AsyncIterator[PrivateRelay]:
    """A relay that reads the run's RabbitMQ."""
    async with PrivateRelay(rabbitmq=amqp) as relay:
        yield relay


async def test_20_viewers_of_each_transport(relay: PrivateRelay, amqp: str, tmp_path: Path, seed: int) -> None:
    """20,000 events of 50 projects: nothing lost, repeated, reordered or unexpected, and no gap for anybody."""
    load = Load(20_000, projects=50, seed=seed)
    random = Random(seed)
    wanted: dict[str, Wanted] = {}
    async with Audience(relay, seed=seed) as audience:
        for transport in TRANSPORTS:
            for number in range(PER_TRANSPORT):
                audience.admit(f"{transport}-{number}", [transport], load.last([random.choice(load.projects)]))
        for number in range(4):
            audience.admit(f"many-{number}", ["many"], load.last(random.sample(load.projects, 12)))
        for name, (query, filtered) in FILTERS.items():
            for transport in (*TRANSPORTS, "many"):
                projects = random.sample(load.projects, 3 if transport == "many" else 1)
                one = audience.admit(f"{name}-{transport}", [transport], load.last(projects, filtered), query=query)
                wanted[one.name] = filtered
        await audience.until_present()
        began = time.monotonic()
        said = await load.publish(amqp, tmp_path, rate=4_000)
        await audience.until_done()
        tell(said, audience, began)

        def published(one: Onlooker, project_id: str) -> list[Key]:
            return load.keys(project_id, wanted.get(one.name, everything))

        assert {} == audience.broken(published)
        assert 0 == sum(one.away for one in audience.onlookers)


async def test_who_leaves_and_comes_back_misses_nothing(
    relay: PrivateRelay, amqp: str, tmp_path: Path, seed: int
) -> None:
    """Cut at random places, in mid-envelope, too, and resumed over another transport with the last message's cursor."""
    load = Load(5_000, projects=20, seed=seed)
    async with Audience(relay, seed=seed) as audience:
        restless(audience, load)
        await audience.until_present()
        began = time.monotonic()
        said = await load.publish(amqp, tmp_path, rate=1_500)
        await audience.until_done()
        tell(said, audience, began)
        assert {} == audience.broken(lambda _, project_id: load.keys(project_id))
        assert all(one.legs > 3 for one in audience.onlookers)


async def test_nobody_misses_anything_when_the_relay_ends(
    relay: PrivateRelay, amqp: str, tmp_path: Path, seed: int
) -> None:
    """Killed in the middle and started again, later asked to end and started again; all come back with cursors."""
    load = Load(5_000, projects=20, seed=seed)
    async with Audience(relay, seed=seed) as audience:
        restless(audience, load)
        for transport in (*TRANSPORTS, "many"):
            projects = load.projects if transport == "many" else load.projects[:1]
            audience.admit(f"steady-{transport}", [transport], load.last(projects))
        await audience.until_present()
        began = time.monotonic()
        with load.publishing(amqp, tmp_path, rate=1_500) as publishing:
            await audience.until_seen(load.events)
            relay.kill()
            await come_back(relay, publishing)
            await audience.until_seen(2 * load.events)
            assert 0 == await relay.stop_async()
            await come_back(relay, publishing)
            said = await publishing.end()
        await audience.until_done()
        tell(said, audience, began)
        assert {} == audience.broken(lambda _, project_id: load.keys(project_id))
        assert all(one.away for one in audience.onlookers if one.name.startswith("steady"))


async def come_back(relay: PrivateRelay, publishing: Publishing) -> None:
    """Start the relay again after it was away while some more events were confirmed."""
    await publishing.until_confirmed(publishing.confirmed + 500)
    publishing.pause()
    await relay.start_async()
    publishing.go_on()


def restless(audience: Audience, load: Load) -> None:
    """Admit viewers who come and go, two of each project and some of several."""
    for project_id in load.projects:
        for number in range(2):
            audience.admit(f"{project_id}-{number}", TRANSPORTS, load.last([project_id]), restless=True)
    for number in range(2):
        audience.admit(f"many-{number}", ["many"], load.last(load.projects[:5]), restless=True)


def tell(said: str, audience: Audience, began: float) -> None:
    """Print the figures; `pytest -s` shows them."""
    legs = sum(one.legs - one.away for one in audience.onlookers)
    viewers = f"{len(audience.onlookers)} viewers over {legs} connections saw {audience.events} events"
    print(f"{said}; {viewers}, {time.monotonic() - began:.1f} s")  # noqa: T201  # see above
