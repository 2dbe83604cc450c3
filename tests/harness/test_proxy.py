"""A fault that is not injected proves nothing."""

import asyncio
from contextlib import suppress

import pytest

from tests.harness.follower import until
from tests.harness.process import free_port
from tests.harness.proxy import Direction, Proxy, end


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each line with itself."""
    with suppress(ConnectionError):
        while line := await reader.readline():
            writer.write(line)
    await end(writer)


async def test_it_passes_and_cuts_and_refuses() -> None:
    """Bytes go both ways until the cut; after it new connections pass, unless they are refused."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with Proxy(server.sockets[0].getsockname()[1]) as proxy:
        for _ in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(b"hello\n")
            assert b"hello\n" == await reader.readline()
            assert 1 == proxy.cut()
            with pytest.raises(ConnectionResetError):
                await reader.readline()
            await end(writer)
        with proxy.shut():
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            with pytest.raises(ConnectionResetError):
                await reader.readline()
            await end(writer)
        assert (2, 1) == (proxy.accepted, proxy.refused)
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("directions", [("asked",), ("answered",), ("asked", "answered")], ids=str)
async def test_what_is_swallowed_is_gone_and_nobody_is_told(directions: tuple[Direction, ...]) -> None:
    """Neither bytes nor the end of the connection come through, for good; a new connection is a good one."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with Proxy(server.sockets[0].getsockname()[1]) as proxy:
        old = await asyncio.open_connection("127.0.0.1", proxy.port)
        old[1].write(b"before\n")
        assert b"before\n" == await old[0].readline()
        with proxy.swallowing(*directions):
            old[1].write(b"lost\n")
            young = await asyncio.open_connection("127.0.0.1", proxy.port)
            young[1].write(b"lost\n")
            await until(lambda: proxy.accepted == 2)
        fresh = await asyncio.open_connection("127.0.0.1", proxy.port)
        fresh[1].write(b"after\n")
        assert b"after\n" == await fresh[0].readline()
        old[1].write(b"lost\n")
        fresh[1].write(b"and after\n")
        assert b"and after\n" == await fresh[0].readline()
        for reader, _ in (old, young):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await reader.read(1)
        for _, writer in (old, young, fresh):
            await end(writer)
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("direction", ["asked", "answered"])
async def test_what_is_held_arrives_later(direction: Direction) -> None:
    """Nobody is told anything meanwhile, and nothing is missing afterwards."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with Proxy(server.sockets[0].getsockname()[1]) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        reading = asyncio.create_task(reader.readline())
        with proxy.holding(direction):
            writer.write(b"hello\n")
            done, _ = await asyncio.wait({reading}, timeout=0.2)
            assert set() == done
        assert b"hello\n" == await reading
        await end(writer)
    server.close()
    await server.wait_closed()


async def test_a_server_that_is_away_resets() -> None:
    """Whoever connects meanwhile is not left waiting, and later gets to a server that stands elsewhere."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with Proxy(free_port()) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        with pytest.raises(ConnectionResetError):
            await reader.readline()
        await end(writer)
        proxy.target = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"hello\n")
        assert b"hello\n" == await reader.readline()
        await end(writer)
    server.close()
    await server.wait_closed()


async def test_a_reset_is_passed_on() -> None:
    """A server hears of a client's end at once, however it ended."""
    gone = asyncio.Event()

    async def listening(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.read()
        gone.set()
        await end(writer)

    server = await asyncio.start_server(listening, "127.0.0.1", 0)
    async with Proxy(server.sockets[0].getsockname()[1]) as proxy:
        _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        await until(lambda: proxy.accepted == 1)
        await end(writer)
        await asyncio.wait_for(gone.wait(), 15)
    server.close()
    await server.wait_closed()
