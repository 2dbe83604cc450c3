"""A stream on a real broker, and hands to do to it what operators and workers do."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection

from relayd.rabbitmq.consume import RabbitSource
from relayd.rabbitmq.settings import RabbitSettings
from tests.harness.follower import WallClock

__all__ = ["QUICK", "Stream"]

QUICK = {
    "silence_seconds": 0.5,
    "backoff_seconds": 0.3,
    "recreate_window_seconds": 1.0,
    "head_seconds": 0.3,
    "ack_seconds": 0.1,
    "canary_seconds": 0,
}
"""Waits that are long in service are short here, and nobody but the test publishes."""


class Stream:
    """A stream queue, and somebody who publishes to it and deletes it."""

    def __init__(self, settings: RabbitSettings) -> None:
        self.settings = settings
        self.said = 0

    async def __aenter__(self) -> Self:
        self.connection: AbstractConnection = await aio_pika.connect(self.settings.url.get_secret_value())
        self.channel: AbstractChannel = await self.connection.channel()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.connection.close()

    def source(self, **changes: object) -> RabbitSource:
        """Return a source that reads it."""
        return RabbitSource(self.settings.model_copy(update=changes), WallClock())

    async def declare(self) -> None:
        """Make it."""
        await self.channel.declare_queue(self.settings.queue, durable=True, arguments=self.settings.queue_arguments)

    async def delete(self) -> None:
        """Delete it with all that is in it."""
        await self.channel.queue_delete(self.settings.queue)

    async def say(self, bodies: Sequence[bytes], **properties: object) -> None:
        """Publish bodies in order and return when all are confirmed; their ids are the bodies."""
        exchange = self.channel.default_exchange
        for body in bodies:
            message = aio_pika.Message(body, message_id=body[:64].decode("latin-1"), **properties)  # type: ignore[arg-type]
            await exchange.publish(message, self.settings.queue)
