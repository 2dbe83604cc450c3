"""
The connection of a viewer that stays: from the upgrade on, the socket is ours.

`take_over` puts a `SocketWire` in the place of the library's protocol.  What a viewer costs from then on is this object
and its session: no task, no request, no buffer of its own.

Law: while nothing waits in the transport, shared bytes go to the kernel directly, one system call a viewer and frame;
what the kernel does not take goes to the transport, and everything behind it, too, until that is empty again.  The
descriptor is open as long as `_fd` holds it: both loops close it only after `connection_lost` has returned, and it is
let go of before that wherever an end begins.
"""

import asyncio
import fcntl
import os
import socket
import termios
from array import array
from collections.abc import Coroutine
from typing import Any

from aiohttp import web

from relayd.ports import Encoding
from relayd.protocol.disconnect import Disconnect
from relayd.relay.admission import Admission, Grant
from relayd.relay.lobby import Lobby
from relayd.relay.session import Session

__all__ = ["CLOSE_SECONDS", "HIGH_WATER", "OpenEnded", "SocketWire", "TakenOver"]

HIGH_WATER = 64 * 1024
"""A viewer with more than this waiting is behind."""

NOTSENT_LOWAT = 128 * 1024
"""Without it the kernel swallows megabytes before anybody learns that the viewer is slow."""

CLOSE_SECONDS = 3.0
"""How long a viewer may take to read what was written before its end, before the socket is cut."""

GONE = "the viewer is gone"

NONE = -1
"""No descriptor."""


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
        "_descriptor", "_ending", "_fd", "_gone", "_handed", "_transport", "_waiters", "_work", "encoding", "session",
    )  # fmt: skip

    answers = False
    """A stream of events only goes one way; that the viewer is there is seen by what it takes."""

    def __init__(self, encoding: Encoding) -> None:
        """Be for a viewer that reads in this way; whoever lets it in gives it a session."""
        self.encoding = encoding
        self.session: Session | None = None
        self._transport: asyncio.Transport
        self._descriptor = NONE
        self._fd = NONE
        """What is written to directly; NONE while something waits in the transport, and once an end has begun."""
        self._handed = 0
        """Bytes that went to the transport."""
        self._ending = False
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
            # Once whoever takes over has begun, and before the loop looks at the socket again.
            asyncio.get_running_loop().call_soon(self.data_received, early)
        return True

    def _begin(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._fd = self._descriptor = transport.get_extra_info("socket").fileno()
        # With a mark of zero the transport tells when it holds something, and when it is empty again.
        transport.set_write_buffer_limits(high=0)
        bound_kernel_buffer(transport)
        if not transport.is_reading():
            transport.resume_reading()

    def enter(self, admission: Admission, lobby: Lobby, grant: Grant, *, many: bool) -> Session:
        """Give the wire the session of a viewer that was let in, and the session a place in the lobby."""
        session = self.session = Session(admission.engine, grant, self, many=many)
        lobby.enter(session)
        return session

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """
        Do something that waits, and be done with it when the connection is lost before there is a session.

        It has a net of its own, for nobody else would hear what breaks in it.
        """
        self._work = asyncio.get_running_loop().create_task(work)
        self._work.add_done_callback(self._worked)

    def _worked(self, work: asyncio.Task[None]) -> None:
        self._work = None
        if not work.cancelled():
            work.result()

    # -- to the viewer ------------------------------------------------------------------------------------------

    def push(self, payload: bytes) -> bool:
        """Write now and return True, or write nothing and return False: the buffer is full, or the viewer is gone."""
        if self._fd < 0:
            return self._push_behind(payload)
        try:
            sent = os.write(self._fd, payload)
        except BlockingIOError:
            sent = 0
        except OSError:
            # The loop learns it, too, and tells `connection_lost`.
            self._let_go()
            return False
        if sent != len(payload):
            self._hand_over(payload[sent:])
        return True

    def write(self, payload: bytes) -> None:
        """Write whatever the buffer holds; raises ConnectionResetError when the viewer is gone."""
        if self._fd < 0 and not self._ending:
            self._hand_over(payload)
        elif not self.push(payload):
            raise ConnectionResetError(GONE)

    async def drain(self) -> None:
        """Return when the buffer is empty; raises ConnectionResetError when the viewer is gone."""
        if self._ending:
            raise ConnectionResetError(GONE)
        if self.buffered():
            await self._moved()

    def _push_behind(self, payload: bytes) -> bool:
        # uvloop raises when a closed socket is written to; whoever serves a group would fail for all of it.
        if self._ending or self.buffered() > HIGH_WATER or self._transport.is_closing():
            return False
        self._hand_over(payload)
        return True

    def _hand_over(self, payload: bytes) -> None:
        self._handed += len(payload)
        # If it has to keep some of it, it tells `pause_writing` before it returns.
        self._transport.write(payload)

    def _let_go(self) -> None:
        self._ending = True
        self._fd = NONE

    def buffered(self) -> int:
        """Return the bytes that the kernel has not taken yet."""
        return self._transport.get_write_buffer_size()

    def taken(self) -> int:
        """Return how many of the bytes that had to wait have reached the viewer's machine so far."""
        # Not what our kernel has taken: it takes again only once half of what it may hold unsent is gone, and a viewer
        # that reads a little all the time would look stuck meanwhile.
        return self._handed - self.buffered() - (0 if self._gone else unacknowledged(self._descriptor))

    # -- the end ------------------------------------------------------------------------------------------------

    def abort(self) -> None:
        """End at once."""
        self._let_go()
        # asyncio's own transport can't be asked any more once it is lost.
        if not self._gone:
            self._transport.abort()

    async def close(self, disconnect: Disconnect, sentence: str, retry_after_ms: int) -> None:
        """Say why it ends, wait a moment until that is read, and end it; raises nothing."""
        if disconnect is Disconnect.STUCK:
            self.abort()
            return
        try:
            if not self._ending:
                self.write(self._last_words(disconnect, sentence, retry_after_ms))
            self._hang_up()
            async with asyncio.timeout(CLOSE_SECONDS):
                while not self._gone:
                    await self._moved()
        except (TimeoutError, ConnectionError):
            self.abort()

    def _last_words(self, disconnect: Disconnect, sentence: str, retry_after_ms: int) -> bytes:  # noqa: ARG002  # whoever knows how the viewer reads uses them
        return b""

    def _hang_up(self) -> None:
        self._let_go()
        self._transport.close()

    # -- from the transport -------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Pass over what is said on a stream that only goes the other way."""

    def eof_received(self) -> None:
        """Let the transport close: a viewer that says no more is gone, in both protocols."""
        self._let_go()

    def pause_writing(self) -> None:
        """Write behind what waits, from now on."""
        self._fd = NONE

    def resume_writing(self) -> None:
        """Write directly again."""
        if not self._ending:
            self._fd = self._descriptor
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the session, or whatever would have become one."""
        self._let_go()
        self._gone = True
        self._wake()
        if self.session is not None and isinstance(exc, TimeoutError):
            # The kernel has given up a peer that confirmed nothing any more.
            self.session.close(Disconnect.IDLE_TIMEOUT, "no sign of life; come back with your cursor")
        elif self.session is not None:
            self.session.close(Disconnect.NORMAL, "the viewer left")
        elif self._work is not None:
            self._work.cancel()

    async def _moved(self) -> None:
        """Return when the buffer is empty or the connection lost; raises ConnectionResetError for the latter."""
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


def unacknowledged(descriptor: int) -> int:
    """Return the bytes in a socket's send queue that the other side has not confirmed (Linux: SIOCOUTQ, tcp(7))."""
    count = array("i", [0])
    fcntl.ioctl(descriptor, termios.TIOCOUTQ, count)
    return count[0]


def bound_kernel_buffer(transport: asyncio.BaseTransport) -> None:
    """Let the kernel hold little that is not sent, where it can."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in {socket.AF_INET, socket.AF_INET6} and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOTSENT_LOWAT)
