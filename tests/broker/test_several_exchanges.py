"""Several exchanges lead into one stream: each speaks its own dialect, and all relays agree on every place."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from tests.cli.commanding import relayd
from tests.harness.daemon import PrivateRelay
from tests.harness.settled import Tables
from tests.harness.viewer import Viewer, log, watch

BUS, EVENTS = "acme.bus", "shop.celeryev"
"""Of the second the dialect is nobody's guess: Celery's own is called celeryev."""

TABLES: Tables = {
    "dialects": {"use": ["celery", "native", "rules"]},
    "dialects.rules": {
        "rule": [
            {
                "name": "step",
                "fields": {"step": "*"},
                "type": "workflow_log",
                "take": {"project_id": "run", "message": "step"},
                "set": {"level": "info"},
            }
        ]
    },
    "sources.rabbitmq": {
        "bindings": [
            {"exchange": EVENTS, "dialect": "celery"},
            {"exchange": BUS, "routing_key": "acme.#", "dialect": "rules"},
        ]
    },
}
TASK = {"type": "task-sent", "uuid": "p", "name": "build", "root_id": "p", "hostname": "celery@box", "timestamp": 1.0}


@pytest.fixture
async def channel(amqp: str) -> AsyncIterator[AbstractChannel]:
    """Give a channel with confirms."""
    async with await aio_pika.connect(amqp) as connection:
        yield await connection.channel()


async def say(channel: AbstractChannel, exchange: str, key: str, event: dict[str, Any]) -> None:
    """Publish an event over an exchange, confirmed; whether it leads anywhere is not asked."""
    to = await channel.get_exchange(exchange, ensure=False)
    await to.publish(
        aio_pika.Message(json.dumps(event).encode(), content_type="application/json"), key, mandatory=False
    )


async def rows(relay: PrivateRelay, count: int, capfd: pytest.CaptureFixture[str]) -> list[str]:
    """Return the list of rejected events once it has so many rows: it is written behind what viewers are shown."""
    async with asyncio.timeout(15):
        while True:
            said = await relayd("rejected", "list", "--admin", relay.admin_url, capsys=capfd)
            if len(listed := said.out.splitlines()) >= count:
                return listed


async def told(viewer: Viewer, count: int) -> list[tuple[str, str]]:
    """Return cursor and text of the next messages that have a place."""
    found: list[tuple[str, str]] = []
    while len(found) < count:
        message = await viewer.message()
        if "id" in message:
            found.append((message["id"], message.get("message") or message["type"]))
    return found


async def test_each_exchange_speaks_its_dialect_and_all_relays_agree(amqp: str, channel: AbstractChannel) -> None:
    """In the broker's one order; a relay that was away finds the same places, whatever came over which exchange."""
    async with PrivateRelay(TABLES, rabbitmq=amqp) as one, PrivateRelay(TABLES, rabbitmq=amqp) as other:
        async with watch(one, "p") as here, watch(other, "p") as there:
            await say(channel, EVENTS, "task.sent", TASK)
            await say(channel, BUS, "acme.step", {"run": "p", "step": "first"})
            await say(channel, BUS, "elsewhere", {"run": "p", "step": "of another key"})
            await say(channel, "swarm.events", "any", log("p", "native"))
            seen = await told(here, 3)
            assert ["project_started", "first", "native"] == [text for _, text in seen]
            assert seen == await told(there, 3)
        await other.stop_async()
        async with watch(one, "p", after=seen[-1][0]) as here:
            for number in range(3):
                await say(channel, BUS, "acme.step", {"run": "p", "step": f"bus {number}"})
                await say(channel, EVENTS, "task.started", {**TASK, "type": "task-started", "uuid": "p"})
            later = await told(here, 6)
        await other.start_async()
        async with watch(other, "p", after=seen[-1][0]) as there:
            # What began before the start is known by its journal to the relay, not to the dialect: its places stay.
            assert [(at, text) for at, text in later if "bus" in text] == await told(there, 3)


async def test_a_rejected_event_is_understood_as_at_first_when_it_is_replayed(
    amqp: str, channel: AbstractChannel, capfd: pytest.CaptureFixture[str]
) -> None:
    """Though it comes over another exchange then."""
    async with PrivateRelay(TABLES, rabbitmq=amqp) as relay, watch(relay, "p") as viewer:
        started = {**TASK, "type": "task-started"}
        await say(channel, EVENTS, "task.started", started)
        await asyncio.to_thread(relay.wait_for_metric, 'relayd_messages_rejected_total{reason="bad_project"}', 1)
        await say(channel, EVENTS, "task.sent", TASK)
        await viewer.hears("project_started")
        (row,) = await rows(relay, 1, capfd)
        replayed = await relayd("rejected", "replay", row.split()[0], "--admin", relay.admin_url, capsys=capfd)
        assert 0 == replayed.status
        assert "build runs" == (await viewer.hears("project_progress"))["message"]
