"""What is not read is not in memory."""

import asyncio

import aiormq
import pytest
from yarl import URL

from relayd.rabbitmq.valve import Valve, ValvedTransport


class Given(aiormq.TransportFactory):
    """Connects to a stream of the test's own."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self.reader = reader

    async def create(self, url: URL, **kwargs: object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return self.reader, None  # type: ignore[return-value]  # nobody writes


async def test_a_closed_valve_lets_nothing_through() -> None:
    """And an open one everything, to the end of the bytes."""
    inner, valve = asyncio.StreamReader(), Valve(10)
    valve.came(11)
    reader, _ = await ValvedTransport(Given(inner), valve).create(URL("amqp://broker"))
    inner.feed_data(b"12345")
    reading = asyncio.create_task(reader.readexactly(2))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not reading.done()
    valve.went(1)
    assert b"12" == await reading
    assert b"3" == await reader.readexactly(1)
    assert not reader.at_eof()
    inner.feed_eof()
    assert b"45" == await reader.read()
    assert reader.at_eof()
    with pytest.raises(asyncio.IncompleteReadError):
        await reader.readexactly(1)


async def test_it_counts_what_waits() -> None:
    """Closed beyond the bound, open again below it, for a farewell, and when all of it is forgotten."""
    valve = Valve(10)
    assert valve.is_open
    valve.came(10)
    assert valve.is_open
    valve.came(1)
    assert not valve.is_open
    valve.open()
    assert valve.is_open
    valve.came(5)
    valve.went(5)
    assert not valve.is_open
    valve.went(1)
    assert valve.is_open
    valve.came(100)
    valve.empty()
    await valve.opened()
    valve.came(10)
    assert valve.is_open
