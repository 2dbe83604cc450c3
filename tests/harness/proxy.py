"""A wire that can be cut, or goes dead: a TCP proxy on the loopback, between a client and a server of this machine."""

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Literal, Self

__all__ = ["Direction", "Proxy", "end"]

Direction = Literal["asked", "answered"]
"""From the client to the server, and back."""

CHUNK = 65_536


class Line:
    """One connection on both sides; what is swallowed on it stays so, for the rest would make no sense to anybody."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter, swallowed: set[Direction]) -> None:
        self.ends = (client, server)
        self.swallowed = swallowed


class Proxy:
    """
    Passes bytes both ways to a port.

    `cut` resets all connections, `refusing` lets no new one through, `swallowing` closes nothing and passes nothing on,
    for good, `holding` passes it on later.  `target` may be changed: those who connect later get there.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.refusing = False
        self.accepted = 0
        self.refused = 0
        self._lines: set[Line] = set()
        self._swallowed: set[Direction] = set()
        self._flowing: dict[Direction, asyncio.Event] = {"asked": asyncio.Event(), "answered": asyncio.Event()}
        for flowing in self._flowing.values():
            flowing.set()
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
        for flowing in self._flowing.values():
            flowing.set()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def cut(self) -> int:
        """Reset all connections on both sides and return how many there were."""
        lines, self._lines = self._lines, set()
        for line in lines:
            for writer in line.ends:
                reset(writer)
        return len(lines)

    @contextmanager
    def swallowing(self, *directions: Direction) -> Iterator[None]:
        """Be a half-open network for a while: connections that are open now, or open meanwhile, never recover."""
        self._swallowed = {*directions}
        for line in self._lines:
            line.swallowed.update(directions)
        try:
            yield
        finally:
            self._swallowed = set()

    @contextmanager
    def shut(self) -> Iterator[None]:
        """Cut all connections and let no new one through for a while."""
        self.refusing = True
        self.cut()
        try:
            yield
        finally:
            self.refusing = False

    @contextmanager
    def holding(self, *directions: Direction) -> Iterator[None]:
        """Let nothing pass for a while, not even an end, and lose nothing: a network that lags."""
        for direction in directions:
            self._flowing[direction].clear()
        try:
            yield
        finally:
            for direction in directions:
                self._flowing[direction].set()

    async def opening(self, reader: asyncio.StreamReader) -> bytes | None:
        """Return what a client says first, as far as that was read to decide whether to let it in; None: it is not."""
        return None if self.refusing else b""

    def asked(self, data: bytes) -> None:
        """Look at bytes from a client before they are passed on; nobody does here."""

    def answered(self, data: bytes) -> None:
        """Look at bytes from the server before they are passed on."""

    def sieve(self) -> Callable[[bytes], bytes]:
        """Return what a new connection's answers go through; here all of them pass."""
        return bytes

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if (first := await self.opening(reader)) is None:
            self.refused += 1
            await end(writer)
            return
        self.accepted += 1
        swallowed = {*self._swallowed}
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            await end(writer)
            return
        back.write(first)
        line = Line(writer, back, swallowed | self._swallowed)
        self._lines.add(line)
        sieve = self.sieve()

        def asked(data: bytes) -> bytes | None:
            self.asked(data)
            return None if "asked" in line.swallowed else data

        def answered(data: bytes) -> bytes | None:
            self.answered(data)
            return None if "answered" in line.swallowed else sieve(data)

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(passing(reader, back, asked, self._flowing["asked"]))
                group.create_task(passing(there, writer, answered, self._flowing["answered"]))
        finally:
            self._lines.discard(line)
            for one in line.ends:
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


async def passing(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    sieve: Callable[[bytes], bytes | None],
    flowing: asyncio.Event,
) -> None:
    """
    Pass on what a sieve leaves of the bytes, until either side is gone; then end the other in the same way.

    Where the sieve leaves None, neither bytes nor an end are passed on.
    """
    try:
        data = b" "
        while data:
            data = await reader.read(CHUNK)
            await flowing.wait()
            passed = sieve(data)
            if passed:
                writer.write(passed)
                await writer.drain()
            elif passed is not None and not data:
                writer.close()
    except ConnectionError:
        await flowing.wait()
        if sieve(b"") is not None:
            reset(writer)
