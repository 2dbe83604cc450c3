"""A fault that is not injected proves nothing."""

import asyncio
from contextlib import suppress

import pytest

from tests.harness.proxy import Proxy, end


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
        proxy.refusing = True
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        with pytest.raises(ConnectionResetError):
            await reader.readline()
        await end(writer)
        assert 2 == proxy.accepted
    server.close()
    await server.wait_closed()
