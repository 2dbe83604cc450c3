import asyncio
import json
from itertools import count

from relayd.dialects.delivery import Delivery
from relayd.dialects.native import NativeDialect
from relayd.ports import LogBreak
from relayd.protocol.messages import ProjectStarted
from relayd.sources.settings import SimulatorSettings
from relayd.sources.simulator import SimulatorSource
from relayd.testing.source_contract import receipt
from tests.harness.follower import WallClock


async def read(source: SimulatorSource, wanted: int) -> list[Delivery]:
    """Return the first deliveries, each settled at once."""
    batches = source.batches(None)
    deliveries: list[Delivery] = []
    async with asyncio.timeout(20):
        async for batch in batches:
            if not isinstance(batch, LogBreak):
                deliveries.extend(batch)
                source.settle([receipt(delivery) for delivery in batch])
            if len(deliveries) >= wanted:
                break
    await batches.aclose()
    return deliveries


async def test_a_swarm_tells_its_story() -> None:
    """Native events with the present time, each under an id of its own, understood without exception."""
    source = SimulatorSource(SimulatorSettings(speed=1000), WallClock())
    deliveries = await read(source, 60)
    items = [item for delivery in deliveries for item in NativeDialect().feed(delivery)]
    assert [] == [item.detail for item in items if item.reason is not None]
    assert {"demo-shop", "demo-api", "demo-docs"} >= {
        json.loads(delivery.body)["project_id"] for delivery in deliveries
    }
    assert len(deliveries) == len({delivery.message_id for delivery in deliveries})
    assert all(abs(item.messages[0].timestamp - deliveries[0].received_at) < 60 for item in items)
    assert "not started" == source.state().detail


async def test_real_events_come_in_beside_it() -> None:
    """A demo that somebody wants to try a worker against."""
    source = SimulatorSource(SimulatorSettings(projects=1, speed=0.001), WallClock())
    worker = asyncio.create_task(source.offer(Delivery(offset=0, body=b"mine", received_at=0.0)))
    deliveries = await read(source, 2)
    assert b"mine" in [delivery.body for delivery in deliveries]
    assert b"mine" == (await worker).delivery.body


async def test_what_cannot_be_written_does_not_end_the_story() -> None:
    """A journal on a full disk may get room again; the swarm goes on."""
    source = SimulatorSource(SimulatorSettings(projects=1, speed=1000), WallClock())
    batches = source.batches(None)
    numbers = count()
    async with asyncio.timeout(20):
        async for batch in batches:
            assert not isinstance(batch, LogBreak)
            source.fail(batch)
            if next(numbers) > 5:
                break
    await batches.aclose()


async def test_a_recording_is_played_among_them() -> None:
    """With the present time and an id of each telling, like what is made up."""
    source = SimulatorSource(SimulatorSettings(projects=1, speed=1000, recording="demo"), WallClock())
    deliveries = await read(source, 250)
    items = [item for delivery in deliveries for item in NativeDialect().feed(delivery)]
    events = [item.messages[0] for item in items]
    assert [] == [item.detail for item in items if item.reason is not None]
    assert {"demo-shop"} == {event.project_id for event in events}
    assert 2 == sum(isinstance(event, ProjectStarted) for event in events)
    assert len(deliveries) == len({delivery.message_id for delivery in deliveries})
    assert all(abs(event.timestamp - deliveries[0].received_at) < 60 for event in events)
