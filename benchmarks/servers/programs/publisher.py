"""A worker that publishes for some seconds, with confirms: bare aio-pika or relayd's publisher, one by one or many."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

import aio_pika
import uvloop

from relayd.worker.publisher import SwarmPublisher

EXCHANGE, KEY = "swarm.events", "bench.workflow_log"
AT_ONCE = 100
"""So many publishes of the bare loop are on their way together: more make it no faster."""

EVENT = {
    "type": "workflow_log",
    "project_id": "bench",
    "level": "info",
    "message": "Installed 12 packages in 340 ms, nothing to compile",
    "source": "builder",
}

Some = Callable[[], Awaitable[int]]
"""Publishes some events, and returns how many once they are confirmed."""


async def bare(url: str, seconds: float, *, at_once: int) -> dict[str, float]:
    """Publish event by event, so many on their way together."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(on_return_raises=True)
        exchange = await channel.get_exchange(EXCHANGE, ensure=False)

        async def one() -> None:
            body = json.dumps({**EVENT, "timestamp": time.time()}).encode()
            mode = aio_pika.DeliveryMode.PERSISTENT
            message = aio_pika.Message(body, message_id=uuid4().hex, delivery_mode=mode)
            await exchange.publish(message, KEY, mandatory=True)

        async def some() -> int:
            await asyncio.gather(*[one() for _ in range(at_once)])
            return at_once

        return await measured(some, seconds)


async def ours(url: str, seconds: float, *, at_once: int, gather_ms: float) -> dict[str, float]:
    """Publish so many, then wait until they are confirmed."""
    async with SwarmPublisher(url, gather_ms=gather_ms) as swarm:

        async def some() -> int:
            for _ in range(at_once):
                await swarm.publish(EVENT)
            await swarm.flush()
            return at_once

        return await measured(some, seconds)


async def measured(some: Some, seconds: float) -> dict[str, float]:
    """Return events, seconds and CPU; the connection is made and warm before."""
    await some()
    began, cpu, events = time.monotonic(), time.process_time(), 0
    while time.monotonic() - began < seconds:
        events += await some()
    return {"events": events, "seconds": time.monotonic() - began, "cpu": time.process_time() - cpu}


WAYS: dict[str, Callable[[str, float], Awaitable[dict[str, float]]]] = {
    "bare-single": lambda url, seconds: bare(url, seconds, at_once=1),
    "bare-many": lambda url, seconds: bare(url, seconds, at_once=AT_ONCE),
    "relayd-single": lambda url, seconds: ours(url, seconds, at_once=1, gather_ms=0),
    "relayd-many": lambda url, seconds: ours(url, seconds, at_once=5_000, gather_ms=5),
}


async def main(way: str, url: str, seconds: float) -> None:
    """Print what one way did."""
    print(json.dumps(await WAYS[way](url, seconds)))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
