"""The publisher on a real RabbitMQ: gathered, in order, through an outage, and what is lost is told."""

import asyncio

import pytest

from relayd.worker.buffer import BufferFull
from relayd.worker.publisher import SwarmPublisher
from tests.harness.follower import until
from tests.harness.proxy import Proxy
from tests.harness.rabbitmq import PrivateRabbit
from tests.worker.exchange import Queue, line, through


async def test_what_comes_together_travels_together(amqp_url: str, queue: Queue) -> None:
    """One body with an id, in order, each event with its time."""
    async with SwarmPublisher(amqp_url, gather_ms=20) as swarm:
        for number in range(20):
            await swarm.publish(line(str(number)))
        await swarm.flush(seconds=10)
        (body,) = await queue.bodies(1)
    assert [str(number) for number in range(20)] == [event["message"] for event in body]
    assert all(event["timestamp"] > 1.7e9 for event in body)
    assert [True] == [bool(name) for name in queue.ids]
    assert 0 == swarm.lost


async def test_a_single_event_is_a_body_of_its_own(amqp_url: str, queue: Queue) -> None:
    """And what JSON has no word for is a text."""
    async with SwarmPublisher(amqp_url) as swarm:
        await swarm.publish({**line("one"), "fields": {"path": ValueError("x")}, "timestamp": 7})
    (event,) = await queue.bodies(1)
    assert (7, {"path": "ValueError('x')"}) == (event["timestamp"], event["fields"])


async def test_an_outage_loses_and_reorders_nothing(amqp_url: str, queue: Queue, rabbitmq: PrivateRabbit) -> None:
    """Cut in the middle again and again: whatever comes twice has the same id, and the first times are in order."""
    async with Proxy(rabbitmq.port) as proxy, SwarmPublisher(through(amqp_url, proxy.port), gather_ms=1) as swarm:

        async def cutting() -> None:
            for _ in range(8):
                await asyncio.sleep(0.05)
                proxy.cut()

        cuts = asyncio.create_task(cutting())
        for number in range(2_000):
            await swarm.publish(line(str(number)))
            if number % 20 == 0:
                await asyncio.sleep(0.002)
        await cuts
        await swarm.flush(seconds=30)
        seen: dict[str, None] = {}
        while len(seen) < 2_000:
            for text in await queue.texts(1):
                seen.setdefault(text)
    assert [str(number) for number in range(2_000)] == list(seen)
    assert 0 == swarm.lost


async def test_publishing_waits_for_room(amqp_url: str, queue: Queue, rabbitmq: PrivateRabbit) -> None:
    """With `block` nothing is lost however long the broker is away; who can't wait is told so."""
    async with Proxy(rabbitmq.port) as proxy:
        proxy.refusing = True
        async with SwarmPublisher(through(amqp_url, proxy.port), buffer=5) as swarm:
            tasks = [asyncio.create_task(swarm.publish(line(str(number)))) for number in range(20)]
            await until(lambda: sum(task.done() for task in tasks) >= 5)
            with pytest.raises(BufferFull):
                swarm.emit(line("impatient"))
            assert not all(task.done() for task in tasks)
            proxy.refusing = False
            await asyncio.wait_for(asyncio.gather(*tasks), 20)
            await swarm.flush(seconds=20)
    assert [str(number) for number in range(20)] == await queue.texts(20)


async def test_what_gave_way_is_told_in_the_project(amqp_url: str, queue: Queue, rabbitmq: PrivateRabbit) -> None:
    """With `drop_oldest` nobody waits, and viewers read how many are missing."""
    async with Proxy(rabbitmq.port) as proxy:
        proxy.refusing = True
        async with SwarmPublisher(
            through(amqp_url, proxy.port), buffer=5, when_full="drop_oldest", gather_ms=0
        ) as swarm:
            await swarm.publish(line("under way"))
            await until(lambda: len(swarm._buffer) == 0)  # nobody else tells that it is being sent
            for number in range(20):
                await swarm.publish(line(str(number)))
            proxy.refusing = False
            await swarm.flush(seconds=20)
    texts = await queue.texts(7)
    assert [
        "under way",
        "15 events gave way to newer ones while the broker was away",
        *map(str, range(15, 20)),
    ] == texts
    assert 15 == swarm.lost


async def test_what_is_not_confirmed_before_the_end_is_counted(
    amqp_url: str, rabbitmq: PrivateRabbit, caplog: pytest.LogCaptureFixture
) -> None:
    """And logged; the end itself is bounded."""
    async with Proxy(rabbitmq.port) as proxy:
        proxy.refusing = True
        async with SwarmPublisher(through(amqp_url, proxy.port), close_seconds=0.2) as swarm:
            await swarm.publish(line("one"))
    assert 1 == swarm.lost
    assert "1 events were not confirmed within 0.2 s and are lost" in caplog.text


async def test_a_project_is_a_block(amqp_url: str, queue: Queue) -> None:
    """Its beginning and its end come by themselves."""
    async with SwarmPublisher(amqp_url) as swarm, swarm.project("p", name="Shop") as project:
        await project.progress(10, "cloning")
    events = [event for body in await queue.bodies(1) for event in body]
    assert ["project_started", "project_progress", "project_completed"] == [event["type"] for event in events]


async def test_events_come_from_any_thread(amqp_url: str, queue: Queue) -> None:
    """Without waiting: a log handler must never block or raise."""
    async with SwarmPublisher(amqp_url) as swarm:
        await asyncio.to_thread(swarm.emit_soon, line("from elsewhere"))
        assert ["from elsewhere"] == await queue.texts(1)
    swarm.emit_soon(line("too late"))
