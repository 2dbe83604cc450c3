"""
A plain connection to the broker, and what its end looks like.

Never the library's robust one: after a reconnect that subscribes a stream at its first offset again, which loses or
repeats everything in between.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Protocol

import aiormq
from aiormq.abc import AbstractChannel, AbstractConnection
from aiormq.connection import TCPTransportFactory, TLSTransportFactory
from yarl import URL

from relayd.rabbitmq.careful import CarefulTransport
from relayd.rabbitmq.names import RememberingTransport
from relayd.rabbitmq.settings import RabbitSettings

__all__ = [
    "Lost",
    "Missing",
    "Stalled",
    "Unreadable",
    "close",
    "connect",
    "ended",
    "telling_lost",
    "way",
    "why_closed",
    "why_ended",
]

CLOSE_SECONDS = 5.0
"""Longest farewell; a broker that does not answer is left."""


class Lost(Exception):
    """Connection, channel or consumer is gone; the message is a part of a sentence for an operator."""

    cause: ClassVar[str] = "connection"
    """Metric label."""


class Missing(Lost):
    """The broker answers, but the queue can't be read: it does not exist, or its replica is not up yet."""

    cause = "missing"


class Unreadable(Lost):
    """A frame could not be decoded; the same bytes would end the next connection, too."""

    cause = "unreadable"


class Stalled(Lost):
    """The broker answers and the queue holds more, but nothing comes: who does not ask takes it for a quiet night."""

    cause = "stalled"


class Closable(Protocol):
    """A connection or a channel, of either library."""

    async def close(self) -> None:
        """Say goodbye and wait for the answer."""
        ...


@contextmanager
def telling_lost() -> Iterator[None]:
    """Turn whatever the library raises at the end of a connection into Lost, Missing or Unreadable."""
    try:
        yield
    except (aiormq.AMQPError, OSError, TimeoutError, RuntimeError) as error:
        raise _lost(error) from error
    except StopAsyncIteration as error:
        # What the library raises when the other side hangs up while it waits for an answer to its greeting.
        raise Lost("the connection was closed") from error
    except Exception as error:
        # Who waits for an answer when a channel is closed without a reason gets a bare `Exception` from the library.
        if type(error) is not Exception:
            raise
        raise Lost("the channel was closed") from error
    except asyncio.CancelledError:
        # The library cancels its own tasks when the connection ends, and who waits for one of them gets to feel it.
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise Lost("the connection was closed") from None


def way(settings: RabbitSettings) -> RememberingTransport:
    """Return the way to the broker; what is kept of it over several connections helps the later ones."""
    secure = settings.url.get_secret_value().startswith("amqps:")
    return RememberingTransport(TLSTransportFactory() if secure else TCPTransportFactory())


async def connect(
    settings: RabbitSettings,
    *,
    by: aiormq.TransportFactory | None = None,
    careful: bool = False,
    name: str = "relayd",
) -> AbstractConnection:
    """Return an open connection, `careful` about messages that the library can't decode; raises Lost."""
    url = URL(settings.url.get_secret_value()).update_query(heartbeat=str(settings.heartbeat), name=name)
    plain = by or way(settings)
    with telling_lost():
        connection = aiormq.Connection(url, transport_factory=CarefulTransport(plain) if careful else plain)
        async with asyncio.timeout(settings.connect_seconds):
            await connection.connect()
    return connection


async def close(what: Closable) -> None:
    """Close a connection or a channel, whatever state it is in, within a few seconds."""
    closing = asyncio.ensure_future(what.close())
    closing.add_done_callback(lambda done: done.cancelled() or done.exception())
    await ended([closing])


async def ended(tasks: Sequence[asyncio.Future[Any]]) -> None:
    """
    Wait a few seconds for tasks that are about to end, and then no longer.

    Awaited directly they would decide how long this takes: what the library does at the end of a connection may keep
    a cancellation to itself, and a reader that waits for it is connected to nothing and says nothing.
    """
    _, late = await asyncio.wait(tasks, timeout=CLOSE_SECONDS)
    for task in late:
        task.cancel()


def why_ended(connection: AbstractConnection, seen: Lost) -> Lost:
    """Return what ended a connection, or else what was `seen`: the cause often hides behind its first effect."""
    if connection.is_closed and (error := _error(connection)) is not None:
        return _lost(error)
    return seen


def why_closed(channel: AbstractChannel) -> Lost:
    """Return what ended a channel."""
    if channel.is_closed and (error := _error(channel)) is not None:
        return _lost(error)
    return Lost("the channel was closed")


def _error(what: AbstractConnection | AbstractChannel) -> BaseException | None:
    return None if what.closing.cancelled() else what.closing.exception()


def _lost(error: BaseException) -> Lost:
    if isinstance(error, aiormq.ChannelNotFoundEntity | aiormq.ChannelPreconditionFailed):
        return Missing(_sentence(error))
    if isinstance(error, aiormq.InvalidFrameError | RecursionError):
        return Unreadable(_sentence(error))
    return Lost(_sentence(error))


def _sentence(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, asyncio.CancelledError):
        # The library's way to end a connection over which no heartbeat came.
        return "no sign of life in time"
    return str(error) or type(error).__name__
