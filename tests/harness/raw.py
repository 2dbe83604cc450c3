"""A socket without any library on the viewer's side, for what no library would send."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from tests.harness.settled import Addresses

__all__ = ["SECONDS", "UPGRADE", "RawSocket", "masked", "raw", "upgraded"]

UPGRADE = (
    "GET {} HTTP/1.1\r\nHost: relay\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
"""What a client sends to a path; a token stands in its query."""

SECONDS = 15.0
MASK = 0x80
SHORT, MEDIUM = 126, 127


class RawSocket:
    """Bytes to the relay and bytes from it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        """Write."""
        self.writer.write(data)

    async def until(self, mark: bytes) -> str:
        """Return what comes up to and with the mark."""
        async with asyncio.timeout(SECONDS):
            return (await self.reader.readuntil(mark)).decode("latin-1")

    async def rest(self) -> str:
        """Return what comes until the relay ends the connection."""
        async with asyncio.timeout(SECONDS):
            return (await self.reader.read()).decode("latin-1")

    async def frame(self) -> tuple[int, bytes]:
        """Return opcode and payload of the next frame (RFC 6455 5.2)."""
        async with asyncio.timeout(SECONDS):
            first, size = await self.reader.readexactly(2)
            if size >= SHORT:
                size = int.from_bytes(await self.reader.readexactly(2 if size == SHORT else 8))
            return first & 0x0F, await self.reader.readexactly(size)

    async def texts(self) -> list[str]:
        """Return the texts of the lines of log in the next frame, an envelope."""
        _, payload = await self.frame()
        return [message["message"] for message in json.loads(payload).get("messages", [])]

    async def close_code(self) -> int:
        """Return the code of the close frame; frames before it are passed over."""
        while True:
            opcode, payload = await self.frame()
            if opcode == 8:
                return int.from_bytes(payload[:2])

    def vanish(self) -> None:
        """Go without a word."""
        self.writer.transport.abort()


def masked(first: int, payload: bytes, *, size: int | None = None) -> bytes:
    """Return a frame as a client sends it, with any first byte and any length said."""
    said = len(payload) if size is None else size
    length = (
        bytes([MASK | said])
        if said < SHORT
        else bytes([MASK | SHORT]) + said.to_bytes(2)
        if said < 65_536
        else bytes([MASK | MEDIUM]) + said.to_bytes(8)
    )
    mask = os.urandom(4)
    return bytes([first]) + length + mask + bytes(byte ^ mask[number % 4] for number, byte in enumerate(payload))


@asynccontextmanager
async def raw(relay: Addresses) -> AsyncGenerator[RawSocket]:
    """Connect."""
    address = urlsplit(relay.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        yield RawSocket(reader, writer)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def upgraded(relay: Addresses, path: str, *, extensions: str | None = None) -> AsyncGenerator[RawSocket]:
    """Connect and upgrade; `path` has the token in its query; of the extensions that are offered one is agreed on."""
    asked = UPGRADE.format(path)
    if extensions is not None:
        asked = asked.replace("\r\n\r\n", f"\r\nSec-WebSocket-Extensions: {extensions}\r\n\r\n")
    async with raw(relay) as socket:
        socket.send(asked.encode())
        head = await socket.until(b"\r\n\r\n")
        assert head.startswith("HTTP/1.1 101 "), head
        assert (extensions is not None) == ("Sec-WebSocket-Extensions: " in head), head
        yield socket
