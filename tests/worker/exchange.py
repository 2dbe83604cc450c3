"""What came into the swarm's exchange, and what is put into it."""

import asyncio
import json
from typing import Any

from aio_pika.abc import AbstractQueue

__all__ = ["Queue", "line", "through"]


class Queue:
    """What came into the exchange."""

    def __init__(self, queue: AbstractQueue) -> None:
        self._queue = queue
        self.ids: list[str | None] = []

    async def bodies(self, count: int) -> list[Any]:
        """Return the next bodies; raises TimeoutError."""
        found: list[Any] = []
        async with asyncio.timeout(30):
            while len(found) < count:
                message = await self._queue.get(no_ack=True, fail=False)
                if message is None:
                    await asyncio.sleep(0.01)
                    continue
                self.ids.append(message.message_id)
                found.append(json.loads(message.body))
        return found

    async def texts(self, count: int) -> list[str]:
        """Return the next log lines, whatever bodies they came in."""
        found: list[str] = []
        while len(found) < count:
            (body,) = await self.bodies(1)
            found += [event["message"] for event in (body if isinstance(body, list) else [body])]
        return found


def through(amqp_url: str, port: int) -> str:
    """Return the URL with another port."""
    head, _, tail = amqp_url.rpartition(":")
    return f"{head}:{port}/{tail.partition('/')[2]}"


def line(text: str) -> dict[str, Any]:
    """Return a line of log."""
    return {"type": "workflow_log", "project_id": "p", "level": "info", "message": text}
