"""
Publishing with confirms, on a connection of its own.

Own, because an alarm of the broker blocks connections that publish: on a shared one it would stop the reading, too.
A publish that times out is not failed but unknown: under an alarm it often lands later.  So give it a `message_id` and
send it again: the relay recognises the repeat.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import aio_pika
import aiormq
from aio_pika.abc import AbstractConnection, AbstractExchange
from aio_pika.exceptions import DeliveryError, PublishError
from yarl import URL

from relayd.dialects.delivery import JsonValue
from relayd.rabbitmq.connection import Lost, close, telling_lost
from relayd.rabbitmq.settings import RabbitSettings

__all__ = ["Forbidden", "NotPublished", "Publisher", "Unconfirmed", "Unroutable"]

ROUTING_KEY_BYTES = 255
CONFIRM_SECONDS = 10.0


class NotPublished(Exception):
    """The broker did not take it; the message says why and what to do."""


class Forbidden(NotPublished):
    """The user may not write to the exchange; asking again changes nothing."""


class Unroutable(NotPublished):
    """The exchange leads it to no queue; nobody will ever read it."""


class Unconfirmed(NotPublished):
    """Nobody knows whether it is in the log: send it again with the same `message_id`."""


class Publisher:
    """
    Publishes events; use it with `async with`, and with as many calls at once as you like.

    `confirm_seconds` bounds the wait for a confirm.  It does not reconnect: after a lost connection enter it anew.
    """

    def __init__(self, settings: RabbitSettings, *, confirm_seconds: float = CONFIRM_SECONDS) -> None:
        self._settings = settings
        self._confirm_seconds = confirm_seconds
        self._connection: AbstractConnection | None = None
        self._exchange: AbstractExchange | None = None

    async def __aenter__(self) -> Self:
        url = URL(self._settings.url.get_secret_value()).update_query(
            heartbeat=str(self._settings.heartbeat), name="relayd publish"
        )
        try:
            async with AsyncExitStack() as stack:
                stack.push_async_callback(self._close)
                with telling_lost():
                    async with asyncio.timeout(self._settings.connect_seconds):
                        self._connection = await aio_pika.connect(url)
                        channel = await self._connection.channel(on_return_raises=True)
                        self._exchange = await channel.get_exchange(self._settings.exchange)
                # It goes on being open; whatever happened until now, a cancellation included, would have closed it.
                stack.pop_all()
        except Lost as lost:
            raise NotPublished(f"exchange {self._settings.exchange} at {self._settings.address}: {lost}") from lost
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._close()

    async def publish(
        self,
        project_id: str,
        type: str,  # noqa: A002 - the field is called so in every event
        body: bytes,
        *,
        message_id: str | None = None,
        headers: Mapping[str, JsonValue] | None = None,
        content_type: str = "application/json",
    ) -> None:
        """Return once the broker has confirmed it; raises NotPublished, or Unconfirmed when the answer did not come."""
        if self._exchange is None:
            raise RuntimeError("enter the publisher first: `async with Publisher(settings) as publisher`")
        message = aio_pika.Message(
            body,
            message_id=message_id,
            headers=dict(headers or {}),
            content_type=content_type,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        # For people who bind queues of their own; the relay never looks at it.
        key = f"{project_id}.{type}".encode()[:ROUTING_KEY_BYTES].decode(errors="ignore")
        try:
            with telling_lost():
                await self._exchange.publish(message, key, mandatory=True, timeout=self._confirm_seconds)
        except Lost as lost:
            raise self._verdict(lost) from lost

    def _verdict(self, lost: Lost) -> NotPublished:
        match lost.__cause__:
            case PublishError():
                return Unroutable(
                    f"exchange {self._settings.exchange} has no queue for it; make it with `relayd rabbitmq setup`"
                )
            case aiormq.ChannelAccessRefused():
                return Forbidden(
                    f"the user may not write to exchange {self._settings.exchange}; give it that permission ({lost})"
                )
            case DeliveryError():
                return Unconfirmed("the broker could not take it just now; send it again, same message_id")
            case TimeoutError():
                seconds = f"{self._confirm_seconds:g} s"
                return Unconfirmed(f"no confirm within {seconds}; it may be in the log: send it again, same message_id")
            case _:
                return Unconfirmed(f"the connection was lost before the confirm ({lost}); send it again")

    async def _close(self) -> None:
        if self._connection is not None:
            # Bounded: under an alarm the broker does not read what is said to it, and answers no goodbye.
            await close(self._connection)
