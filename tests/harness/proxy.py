"""A wire that can be cut: a TCP proxy on the loopback, between a client and a server of this machine."""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

__all__ = ["Proxy", "end"]

CHUNK = 65_536


class Proxy:
    """Passes bytes both ways to a port; `cut` resets all connections, `refusing` lets no new one through."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.refusing = False
        self.accepted = 0
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.refusing = True
        self._server.close()
        await self._server.wait_closed()
        self.cut()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def cut(self) -> int:
        """Reset all connections on both sides and return how many there were."""
        pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            for writer in pair:
                reset(writer)
        return len(pairs)

    async def opening(self, reader: asyncio.StreamReader) -> bytes | None:
        """Return what a client says first, as far as that was read to decide whether to let it in; None: it is not."""
        return None if self.refusing else b""

    def asked(self, data: bytes) -> None:
        """Look at bytes from a client before they are passed on; nobody does here."""

    def answered(self, data: bytes) -> None:
        """Look at bytes from the server before they are passed on."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if (first := await self.opening(reader)) is None:
            await end(writer)
            return
        self.accepted += 1
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        back.write(first)
        pair = (writer, back)
        self._pairs.add(pair)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(passing(reader, back, self.asked))
                group.create_task(passing(there, writer, self.answered))
        finally:
            self._pairs.discard(pair)
            for one in pair:
                await end(one)


def reset(writer: asyncio.StreamWriter) -> None:
    """Send a reset instead of an orderly end, and forget what was not sent."""
    if not writer.transport.is_closing():
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def end(writer: asyncio.StreamWriter) -> None:
    """Reset a connection and return when it is gone."""
    reset(writer)
    with suppress(ConnectionError):
        await writer.wait_closed()


async def passing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, look: Callable[[bytes], None]) -> None:
    """Let somebody look at bytes and pass them on, until either side is gone; then end the other."""
    with suppress(ConnectionError):
        while data := await reader.read(CHUNK):
            look(data)
            writer.write(data)
            await writer.drain()
        writer.close()
