"""
Events from a worker to RabbitMQ: gathered for some milliseconds, published with confirms, kept while it is away.

Law 1: one body is on its way at a time, so the order in which events were published is the order in the log, whatever
       is repeated.  Gathering makes up for it: what came meanwhile travels together.
Law 2: a body that was not confirmed is published again under the same message id; the relay recognises the repeat.
Law 3: nothing here waits for the broker but `publish` (for room in the buffer), `flush` and the end.
"""

import asyncio
import logging
import random
import time
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import aio_pika
import msgspec
from aio_pika.abc import AbstractConnection, AbstractExchange
from aio_pika.exceptions import AMQPException
from yarl import URL

from relayd.worker.buffer import Buffer, BufferFull, WhenFull
from relayd.worker.scopes import ProjectScope

__all__ = ["SwarmPublisher"]

LOG = logging.getLogger("relayd.worker")

MOST_EVENTS, MOST_BYTES = 500, 512 * 1024
"""Of one body."""

BACKOFF = (0.1, 5.0)
"""Seconds, least and most, between two attempts to publish."""

ROUTING_KEY = "swarm.events"
"""For people who bind queues; the relay never reads it."""


class SwarmPublisher:
    """Publishes events; `async with`, one for a process."""

    def __init__(
        self,
        url: str = "amqp://guest:guest@127.0.0.1/",
        *,
        exchange: str = "swarm.events",
        gather_ms: float = 5.0,
        buffer: int = 10_000,
        when_full: WhenFull = "block",
        confirm_seconds: float = 10.0,
        close_seconds: float = 10.0,
    ) -> None:
        """
        Publish to an exchange of a broker, which need not be there yet.

        Up to `buffer` events wait while it is away; then `when_full` says whether publishing waits, too, or the oldest
        give way, which is published as a warning of each project's when there is room again.
        """
        self._url = URL(url).update_query(heartbeat="5", name="relayd worker")
        self._exchange_name = exchange
        self._gather = gather_ms / 1_000
        self._confirm_seconds = confirm_seconds
        self._close_seconds = close_seconds
        self._buffer = Buffer(buffer, when_full=when_full)
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._settled = asyncio.Condition()
        self._taken = 0
        self._confirmed = 0
        self._connection: AbstractConnection | None = None
        self._exchange: AbstractExchange | None = None
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.lost = 0
        """Events that gave way or were not confirmed before the end."""

    async def __aenter__(self) -> Self:
        """Begin; the connection is made when there is something to publish."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._pump(), name="relayd worker")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Wait until all is confirmed, `close_seconds` at most; what is lost is counted and logged."""
        with suppress(TimeoutError):
            await self.flush(seconds=self._close_seconds)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._disconnect()
        unsent = self._taken - self._confirmed
        if unsent:
            self.lost += unsent
            LOG.error("%d events were not confirmed within %g s and are lost", unsent, self._close_seconds)

    @property
    def waiting(self) -> int:
        """How many events wait for their turn."""
        return len(self._buffer)

    async def publish(self, event: Mapping[str, Any]) -> None:
        """Take an event, and return when there was room for it; without a time of its own it happens now."""
        if self._loop is not None and self._loop is not asyncio.get_running_loop():
            # What wakes those who wait for room belongs to one loop.
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self.publish(event), self._loop))
            return
        while self._buffer.full:
            self._room.clear()
            await self._room.wait()
        self.emit(event)

    def emit(self, event: Mapping[str, Any]) -> None:
        """Take an event without waiting; raises BufferFull where there is no room and nothing gives way."""
        self._buffer.put(str(event.get("project_id", "")), encoded(event))
        self._taken += 1
        self._some.set()

    def emit_soon(self, event: Mapping[str, Any]) -> None:
        """
        Take an event from any thread, without waiting or raising: one for which there is no room is lost.

        What one thread says keeps its order, whether it says it so or by `publish`.
        """
        event = {"timestamp": time.time(), **event}
        if self._loop is None or self._loop is running_loop():
            self._emit_or_lose(event)
            return
        # A loop that is closed has nobody left who could publish.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._emit_or_lose, event)

    def publish_from_here(self, event: Mapping[str, Any]) -> None:
        """
        Take an event from code that does not await.

        In a thread without an event loop it returns when there was room; elsewhere it is `emit_soon`, for who waited
        there would keep those from working who make room.
        """
        if self._loop is None or running_loop() is not None:
            self.emit_soon(event)
            return
        asyncio.run_coroutine_threadsafe(self.publish({"timestamp": time.time(), **event}), self._loop).result()

    def _emit_or_lose(self, event: Mapping[str, Any]) -> None:
        try:
            self.emit(event)
        except BufferFull:
            self.lost += 1

    async def flush(self, *, seconds: float | None = None) -> None:
        """Return when all that was taken so far is confirmed or given way; raises TimeoutError."""
        until = self._taken
        async with asyncio.timeout(seconds), self._settled:
            await self._settled.wait_for(lambda: self._confirmed >= until)

    def project(self, project_id: str, **fields: Any) -> ProjectScope:  # noqa: ANN401  # fields of `project_started`
        """Return a project, which begins and ends with `async with`; `fields` are those of `project_started`."""
        return ProjectScope(self, project_id, fields)

    async def _pump(self) -> None:
        while True:
            await self._some.wait()
            if len(self._buffer) < MOST_EVENTS:
                await asyncio.sleep(self._gather)
            dropped = self._buffer.take_dropped()
            events = self._buffer.take(events=MOST_EVENTS, nbytes=MOST_BYTES)
            if not self._buffer:
                self._some.clear()
            self._room.set()
            await self._deliver(joined([*map(told, dropped.items()), *events]))
            self.lost += sum(dropped.values())
            await self._settle(len(events) + sum(dropped.values()))

    async def _settle(self, count: int) -> None:
        async with self._settled:
            self._confirmed += count
            self._settled.notify_all()

    async def _deliver(self, body: bytes) -> None:
        """Publish a body until it is confirmed."""
        message = aio_pika.Message(
            body,
            message_id=uuid4().hex,
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        pause = BACKOFF[0]
        while True:
            try:
                exchange = await self._connect()
                await exchange.publish(message, ROUTING_KEY, mandatory=True, timeout=self._confirm_seconds)
            except (AMQPException, OSError, TimeoutError, RuntimeError) as error:
                LOG.warning("an event was not confirmed (%s); trying again in %.1f s", why(error), pause)
                await self._disconnect()
                # Spread, so that a swarm does not come back in one instant.
                await asyncio.sleep(pause * (0.5 + random.random() / 2))  # noqa: S311  # no secret
                pause = min(BACKOFF[1], pause * 2)
            else:
                return

    async def _connect(self) -> AbstractExchange:
        if self._exchange is None:
            self._connection = await aio_pika.connect(self._url, timeout=self._confirm_seconds)
            channel = await self._connection.channel(on_return_raises=True)
            # Not looked for: a worker need not be allowed to do more than publish.
            self._exchange = await channel.get_exchange(self._exchange_name, ensure=False)
        return self._exchange

    async def _disconnect(self) -> None:
        connection, self._connection, self._exchange = self._connection, None, None
        if connection is not None:
            with suppress(AMQPException, OSError, TimeoutError, RuntimeError):
                async with asyncio.timeout(self._confirm_seconds):
                    await connection.close()


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs in this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def encoded(event: Mapping[str, Any]) -> bytes:
    """Return an event as JSON, with a time; what JSON has no word for is written as a text."""
    return msgspec.json.encode({"timestamp": time.time(), **event}, enc_hook=repr)


def told(dropped: tuple[str, int]) -> bytes:
    """Return the line that tells of a project's events that gave way."""
    project_id, count = dropped
    message = f"{count} events gave way to newer ones while the broker was away"
    return encoded({"type": "workflow_log", "project_id": project_id, "level": "warning", "message": message})


def joined(events: list[bytes]) -> bytes:
    """Return a body."""
    return events[0] if len(events) == 1 else b"[" + b",".join(events) + b"]"


def why(error: BaseException) -> str:
    """Return an error in words."""
    return str(error) or type(error).__name__
