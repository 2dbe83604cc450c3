"""
One consumer of the stream, from its subscription to its end.

Law 1: the callback hands over and does nothing else.  The library starts a task per delivery and the loop runs them
first come first served: an await inside would let deliveries overtake each other.
Law 2: acknowledge by count and by timer, through the channel that delivered.  Without it the broker stops sending at
the prefetch, and closes a channel that keeps a message for half an hour.
Law 3: never reject, never get, never iterate.  For a stream the broker closes the connection.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage

from relayd.dialects.delivery import Delivery, JsonValue
from relayd.rabbitmq.connection import Lost, Missing, Stalled, close, telling_lost, why_closed
from relayd.rabbitmq.settings import RabbitSettings

__all__ = ["Subscription", "edge"]

Sink = Callable[[Delivery, int], None]
"""Takes a delivery and its tag."""

OFFSET = "x-stream-offset"
EDGE_PREFETCH = 5_000
"""`last` begins at the last chunk, which holds up to a few thousand messages."""
EDGE_QUIET = 0.1
"""Seconds without a further message after which the chunk counts as read …"""
EDGE_SECONDS = 1.0
"""… and the most that is spent on it: a busy log has no end that stands still."""


class Subscription:
    """A consumer with its channel; holds what arrives until `release`, then hands it to the sink as it comes."""

    def __init__(self, connection: AbstractConnection, settings: RabbitSettings, now: Callable[[], float]) -> None:
        self._connection = connection
        self._settings = settings
        self._now = now
        self._held: list[tuple[Delivery, int]] = []
        self._sink: Sink = self._hold
        self._arrived = asyncio.Event()
        self._lost = asyncio.Event()
        self._cause: Lost | None = None
        self._settled_tag = 0
        self._settled = 0
        self._due = asyncio.Event()
        self._full = asyncio.Event()
        self._channel: AbstractChannel | None = None
        self.count = 0
        """Deliveries so far."""

    async def open(self, offset: int | str) -> None:
        """Subscribe at an offset, `first`, or an interval like `3600s`; raises Lost, or Missing without a queue."""
        with telling_lost():
            async with asyncio.timeout(self._settings.connect_seconds):
                channel = await self._connection.channel(publisher_confirms=False)
                self._channel = channel
                channel.closing.add_done_callback(lambda _: self._end())
                channel.on_consumer_cancel_callbacks.add(self._cancelled)
                await channel.queue_declare(self._settings.queue, passive=True)
                await channel.basic_qos(prefetch_count=self._settings.prefetch)
                await channel.basic_consume(self._settings.queue, self._hand_over, arguments={OFFSET: offset})

    async def first(self, patience: float) -> Delivery | None:
        """Return the first delivery that is held, None when none came in that many seconds; raises Lost."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._arrived.wait()
        if self._lost.is_set():
            raise self.cause()
        return self._held[0][0] if self._held else None

    def release(self, sink: Sink, *, skip: bool = False) -> None:
        """Hand what is held to the sink and from now on what comes; `skip` the first one, which was seen before."""
        held, self._held = self._held, []
        self._sink = sink
        if skip:
            _, tag = held.pop(0)
            # Acknowledged here, because nobody else will ever know of it.
            self.settle(tag, 1)
        for delivery, tag in held:
            sink(delivery, tag)

    def settle(self, tag: int, count: int) -> None:
        """Take note that `count` deliveries up to this tag are processed."""
        self._settled_tag = tag
        self._settled += count
        self._due.set()
        if self._settled >= self._settings.ack_every:
            self._full.set()

    async def acknowledge(self) -> None:
        """Acknowledge what is settled, by count or by timer, until the channel is gone."""
        while True:
            await self._due.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.ack_seconds):
                    await self._full.wait()
            self._due.clear()
            self._full.clear()
            self._settled = 0
            if self._channel is None or self._lost.is_set():
                return
            with suppress(Lost), telling_lost():
                await self._channel.basic_ack(self._settled_tag, multiple=True, wait=False)

    async def lost(self) -> Lost:
        """Return why it ended, once it has."""
        await self._lost.wait()
        return self.cause()

    def cause(self) -> Lost:
        """Return why it ended."""
        if self._cause is not None:
            return self._cause
        return Lost("never subscribed") if self._channel is None else why_closed(self._channel)

    async def close(self) -> None:
        """End it; what is on its way is dropped, the stream keeps it."""
        self._sink = discard
        if self._channel is not None:
            await close(self._channel)

    def _hold(self, delivery: Delivery, tag: int) -> None:
        self._held.append((delivery, tag))
        self._arrived.set()

    async def _hand_over(self, message: DeliveredMessage) -> None:  # law 1: no await in here
        properties = message.header.properties
        headers = properties.headers or {}
        offset = headers.get(OFFSET)
        if not isinstance(offset, int):
            self._fail(
                Lost(f"{self._settings.queue} is no stream queue; choose another and run `relayd rabbitmq setup`")
            )
            return
        self.count += 1
        delivery = Delivery(
            offset=offset,
            body=message.body,
            received_at=self._now(),
            message_id=properties.message_id or None,
            content_type=properties.content_type or None,
            exchange=message.exchange,
            user_id=properties.user_id or None,
            headers=simple(headers) if len(headers) > 1 else {},
        )
        self._sink(delivery, message.delivery_tag or 0)

    def _cancelled(self, _: object) -> None:
        # The broker ends the consumer of a deleted queue; the channel stays open and would be silent for ever.
        self._fail(Missing(f"the broker ended the consumer: {self._settings.queue} was deleted or has moved"))

    def _fail(self, cause: Lost) -> None:
        self._cause = self._cause or cause
        self._sink = discard
        self._end()

    def _end(self) -> None:
        self._lost.set()
        self._arrived.set()


def discard(_delivery: Delivery, _tag: int) -> None:
    """Drop what arrives after the end: it is read again from the stream."""


def simple(headers: Mapping[str, Any]) -> dict[str, JsonValue]:
    """Return the headers that JSON has a word for, without the broker's own offset."""
    return {
        name: value
        for name, value in headers.items()
        if name != OFFSET and (value is None or isinstance(value, str | int | float | bool))
    }


async def edge(connection: AbstractConnection, settings: RabbitSettings, end: str, *, patience: float) -> int | None:
    """
    Return the `first` or `last` offset in the log, None for an empty one; raises Lost.

    It asks on a channel of its own: the broker has no other way to tell an offset.  Raises Stalled when none shows
    within `patience` seconds though the broker counts messages: silence alone must never pass for an empty log.
    """
    offsets: list[int] = []
    arrived = asyncio.Event()

    async def look(message: DeliveredMessage) -> None:
        offset = (message.header.properties.headers or {}).get(OFFSET)
        if isinstance(offset, int):
            offsets.append(offset)
            arrived.set()

    with telling_lost():
        async with asyncio.timeout(settings.connect_seconds):
            channel = await connection.channel(publisher_confirms=False)
    try:
        with telling_lost():
            async with asyncio.timeout(settings.connect_seconds):
                await channel.basic_qos(prefetch_count=1 if end == "first" else EDGE_PREFETCH)
                await channel.basic_consume(settings.queue, look, arguments={OFFSET: end})
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await arrived.wait()
            if not offsets and (count := await _count(channel, settings)):
                raise Stalled(f"{settings.queue} holds {count} messages and hands out none")
            if end == "last":
                await _quiet(offsets)
    finally:
        await close(channel)
    if not offsets:
        return None
    return min(offsets) if end == "first" else max(offsets)


async def _count(channel: AbstractChannel, settings: RabbitSettings) -> int:
    """Return how many messages the broker says there are; it counts every few seconds, so 0 may be a little late."""
    async with asyncio.timeout(settings.connect_seconds):
        return (await channel.queue_declare(settings.queue, passive=True)).message_count or 0


async def _quiet(offsets: list[int]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(EDGE_SECONDS):
            seen = -1
            while len(offsets) > max(seen, 0):
                seen = len(offsets)
                await asyncio.sleep(EDGE_QUIET)
