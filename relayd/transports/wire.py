"""Bytes to a socket, past the library: built once for a group, written with the transport's own `write`."""

import asyncio
import socket

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from relayd.ports import Encoding

__all__ = ["HIGH_WATER", "SocketWire"]

HIGH_WATER = 64 * 1024
"""A viewer with more than this waiting is behind."""

NOTSENT_LOWAT = 128 * 1024
"""Without it the kernel swallows megabytes before anybody learns that the viewer is slow."""


class SocketWire:
    """The writing half of an upgraded or streaming response."""

    def __init__(
        self, request: web.BaseRequest, writer: AbstractStreamWriter | None, encoding: Encoding, *, answers: bool
    ) -> None:
        """Write to the connection of a prepared response; raises ConnectionResetError when it is gone."""
        if request.transport is None or request.transport.is_closing() or writer is None:
            raise ConnectionResetError("the viewer left during the handshake")
        self._transport = request.transport
        self._writer = writer
        self._written = 0
        self.encoding = encoding
        self.answers = answers
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        bound_kernel_buffer(self._transport)

    def push(self, payload: bytes) -> bool:
        """Write now and return True, or write nothing and return False: the buffer is full, or the viewer is gone."""
        # uvloop raises when a closed socket is written to; whoever serves a group would fail for all of it.
        if self._transport.get_write_buffer_size() > HIGH_WATER or self._transport.is_closing():
            return False
        self._written += len(payload)
        self._transport.write(payload)
        return True

    def write(self, payload: bytes) -> None:
        """Write whatever the buffer holds; raises ConnectionResetError when the viewer is gone."""
        if self._transport.is_closing():
            raise ConnectionResetError("the viewer is gone")
        self._written += len(payload)
        self._transport.write(payload)

    async def drain(self) -> None:
        """Return when the buffer is low; raises ConnectionError when the viewer is gone."""
        await self._writer.drain()

    def buffered(self) -> int:
        """Return the bytes that the kernel has not taken yet."""
        return self._transport.get_write_buffer_size()

    def taken(self) -> int:
        """Return how many bytes the kernel has taken so far."""
        return self._written - self._transport.get_write_buffer_size()

    def abort(self) -> None:
        """End at once."""
        self._transport.abort()


def bound_kernel_buffer(transport: asyncio.BaseTransport) -> None:
    """Let the kernel hold little that is not sent, where it can."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in {socket.AF_INET, socket.AF_INET6} and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOTSENT_LOWAT)
