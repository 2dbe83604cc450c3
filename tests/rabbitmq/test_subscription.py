import asyncio
from collections.abc import AsyncIterator

import pytest
from aiormq.abc import AbstractConnection

from relayd.dialects.delivery import Delivery
from relayd.rabbitmq.connection import Lost, Missing, close, connect
from relayd.rabbitmq.subscription import Subscription, discard, edge, simple
from tests.harness.stream import Stream


@pytest.fixture
async def connection(stream: Stream) -> AsyncIterator[AbstractConnection]:
    """Give an open connection."""
    connection = await connect(stream.settings)
    yield connection
    await close(connection)


def bodies(count: int) -> list[bytes]:
    """Return bodies that tell their number."""
    return [b"%d" % number for number in range(count)]


async def test_the_ends_of_a_log_can_be_asked_for(stream: Stream, connection: AbstractConnection) -> None:
    """Empty is none; then the first and the very last message, though `last` begins with a whole chunk."""
    assert await edge(connection, stream.settings, "last", patience=0.2) is None
    await asyncio.gather(*(stream.say([body]) for body in bodies(40)))
    assert 0 == await edge(connection, stream.settings, "first", patience=5)
    assert 39 == await edge(connection, stream.settings, "last", patience=5)


async def test_an_edge_of_nothing_is_missing(stream: Stream, connection: AbstractConnection) -> None:
    """The connection survives the question."""
    nowhere = stream.settings.model_copy(update={"queue": "nowhere"})
    with pytest.raises(Missing):
        await edge(connection, nowhere, "last", patience=0.2)
    assert not connection.is_closed


async def test_what_comes_early_is_held(stream: Stream, connection: AbstractConnection) -> None:
    """It can be looked at before it flows, and the one that was seen before is skipped and acknowledged."""
    await stream.say(bodies(3))
    subscription = Subscription(connection, stream.settings.model_copy(update={"prefetch": 3}), lambda: 5.0)
    await subscription.open(0)
    first = await subscription.first(5)
    assert (0, b"0", 5.0) == (first and first.offset, first and first.body, first and first.received_at)
    seen: list[bytes] = []
    enough = asyncio.Event()

    def take(delivery: Delivery, tag: int) -> None:
        seen.append(delivery.body)
        subscription.settle(tag, 1)
        if len(seen) == 5:
            enough.set()

    subscription.release(take, skip=True)
    acks = asyncio.create_task(subscription.acknowledge())
    await stream.say([b"3", b"4", b"5"])
    async with asyncio.timeout(20):
        await enough.wait()
    acks.cancel()
    assert [b"1", b"2", b"3", b"4", b"5"] == seen
    await subscription.close()


async def test_silence_is_none_and_an_end_is_an_error(stream: Stream, connection: AbstractConnection) -> None:
    """Who waits for the first delivery is told which of the two it is."""
    subscription = Subscription(connection, stream.settings, lambda: 0.0)
    assert "never subscribed" == str(subscription.cause())
    await subscription.open("first")
    assert await subscription.first(0.05) is None
    await stream.delete()
    with pytest.raises(Missing, match="was deleted or has moved"):
        await subscription.first(20)
    assert isinstance(await subscription.lost(), Missing)


async def test_a_connection_that_ends_is_told(stream: Stream, connection: AbstractConnection) -> None:
    """At once, without waiting for a heartbeat."""
    subscription = Subscription(connection, stream.settings, lambda: 0.0)
    await subscription.open("first")
    await connection.close()
    async with asyncio.timeout(20):
        assert isinstance(await subscription.lost(), Lost)
    # The settled one can't be acknowledged any more, and that is nobody's trouble.
    subscription.settle(1, 1)
    async with asyncio.timeout(20):
        await subscription.acknowledge()


def test_headers_are_what_json_has_a_word_for() -> None:
    """Dates, decimals, bytes and tables stay behind, and so does the broker's own offset."""
    plain = {"a": "text", "b": 1, "c": 1.5, "d": True, "e": None}
    assert plain == simple({**plain, "f": b"\xff", "g": [1], "h": {"i": 1}, "x-stream-offset": 3})
    discard(Delivery(offset=0, body=b"", received_at=0.0), 1)
