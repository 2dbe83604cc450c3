"""
The connection of a viewer that stays: from the upgrade on, the socket is ours.

`take_over` puts a `SocketWire` in the place of the library's protocol.  What a viewer costs from then on is this object
and its session: no task, no request, no buffer of its own.  Shared bytes are written with the transport's own `write`.
"""

import asyncio
import socket
from collections.abc import Coroutine
from typing import Any

from aiohttp import web

from relayd.ports import Encoding
from relayd.protocol.disconnect import Disconnect
from relayd.relay.session import Session

__all__ = ["CLOSE_SECONDS", "HIGH_WATER", "OpenEnded", "SocketWire", "TakenOver"]

HIGH_WATER = 64 * 1024
"""A viewer with more than this waiting is behind."""

NOTSENT_LOWAT = 128 * 1024
"""Without it the kernel swallows megabytes before anybody learns that the viewer is slow."""

CLOSE_SECONDS = 3.0
"""How long a viewer may take to read what was written before its end, before the socket is cut."""

GONE = "the viewer is gone"


class OpenEnded(web.StreamResponse):
    """A response whose end is not the library's to write."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Write nothing."""


class TakenOver(OpenEnded):
    """What a handler answers whose connection is not the library's any more: nothing is left to write."""

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write nothing."""


class SocketWire(asyncio.Protocol):
    """A socket with a viewer behind it, from whom nothing is expected."""

    __slots__ = (
        "_closing", "_gone", "_paused", "_size", "_transport", "_waiters", "_work", "_write", "_written", "encoding",
        "session",
    )  # fmt: skip

    answers = False
    """A stream of events only goes one way; that the viewer is there is seen by what it takes."""

    def __init__(self, encoding: Encoding) -> None:
        """Be for a viewer that reads in this way; whoever lets it in gives it a session."""
        self.encoding = encoding
        self.session: Session | None = None
        self._transport: asyncio.Transport
        self._written = 0
        self._paused = False
        self._gone = False
        self._waiters: list[asyncio.Future[None]] | None = None
        self._work: asyncio.Task[None] | None = None

    def take_over(self, request: web.BaseRequest) -> bool:
        """Become the protocol of a request's connection, whose handler must not await after it; False if it is gone."""
        library, transport = request.protocol, request.transport
        if transport is None or transport.is_closing():
            return False
        # What it does not have it can't close; then it is told that the connection is lost, and forgets the request.
        library.transport = None
        transport.set_protocol(self)
        library.connection_lost(None)
        self._begin(transport)
        # What a viewer sent behind its request, without waiting for the answer, is held there (aiohttp 3.14).
        early = library._message_tail  # noqa: SLF001  # there is no other way to it, and it must not be lost
        if early:
            self.data_received(early)
        return True

    def _begin(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        # Bound once: looking them up for each frame and viewer costs as much as calling them.
        self._size = transport.get_write_buffer_size
        self._closing = transport.is_closing
        self._write = transport.write
        transport.set_write_buffer_limits(high=HIGH_WATER)
        bound_kernel_buffer(transport)
        if not transport.is_reading():
            transport.resume_reading()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that waits, and be done with it when the connection is lost before there is a session."""
        self._work = asyncio.get_running_loop().create_task(work)
        self._work.add_done_callback(self._worked)

    def _worked(self, work: asyncio.Task[None]) -> None:
        self._work = None
        if not work.cancelled():
            # Sessions have a net of their own, and refusals are told; what else breaks is a fault, and must be seen.
            work.result()

    # -- to the viewer ------------------------------------------------------------------------------------------

    def push(self, payload: bytes) -> bool:
        """Write now and return True, or write nothing and return False: the buffer is full, or the viewer is gone."""
        # uvloop raises when a closed socket is written to; whoever serves a group would fail for all of it.
        if self._size() > HIGH_WATER or self._closing():
            return False
        self._written += len(payload)
        self._write(payload)
        return True

    def write(self, payload: bytes) -> None:
        """Write whatever the buffer holds; raises ConnectionResetError when the viewer is gone."""
        if self._closing():
            raise ConnectionResetError(GONE)
        self._written += len(payload)
        self._write(payload)

    async def drain(self) -> None:
        """Return when the buffer is low; raises ConnectionResetError when the viewer is gone."""
        if self._closing():
            raise ConnectionResetError(GONE)
        if self._paused:
            await self._moved()

    def buffered(self) -> int:
        """Return the bytes that the kernel has not taken yet."""
        return self._size()

    def taken(self) -> int:
        """Return how many bytes the kernel has taken so far."""
        return self._written - self._size()

    # -- the end ------------------------------------------------------------------------------------------------

    def abort(self) -> None:
        """End at once."""
        self._transport.abort()

    async def finish(self, last: bytes = b"") -> None:
        """Write the last words and return when they are read and the connection is closed, or was cut for delay."""
        try:
            if last and not self._closing():
                self._write(last)
            self._hang_up()
            async with asyncio.timeout(CLOSE_SECONDS):
                while not self._gone:
                    await self._moved()
        except (TimeoutError, ConnectionError):
            self.abort()

    def _hang_up(self) -> None:
        self._transport.close()

    # -- from the transport -------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Pass over what is said on a stream that only goes the other way."""

    def pause_writing(self) -> None:
        """Let `drain` wait."""
        self._paused = True

    def resume_writing(self) -> None:
        """Let it go on."""
        self._paused = False
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # why makes no difference
        """End the session, or whatever would have become one."""
        self._gone = True
        self._wake()
        if self.session is not None:
            self.session.close(Disconnect.NORMAL, "the viewer left")
        elif self._work is not None:
            self._work.cancel()

    async def _moved(self) -> None:
        """Return when the buffer is low or the connection lost; raises ConnectionResetError for the latter."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters = [*(self._waiters or ()), waiter]
        await waiter
        if self._gone:
            raise ConnectionResetError(GONE)

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)


def bound_kernel_buffer(transport: asyncio.BaseTransport) -> None:
    """Let the kernel hold little that is not sent, where it can."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in {socket.AF_INET, socket.AF_INET6} and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOTSENT_LOWAT)
