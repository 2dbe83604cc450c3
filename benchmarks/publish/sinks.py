"""Native ways to publish: HTTP arrays, one message a request, NATS, a WebSocket, AMQP."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Self

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractExchange
from aio_pika.exceptions import DeliveryError

__all__ = ["AmqpSink", "HttpSink", "NatsSink", "NchanSink", "SocketSink", "client_frame", "websocket_request"]

REFUSALS = 20
"""So often a message is published again that the broker did not take."""

CONFIRMS = 500
"""AMQP publishes that may wait for their confirm."""


def websocket_request(path: str, headers: Mapping[str, str] | None = None) -> bytes:
    """Return a handshake (RFC 6455 4.1); the key is always the same, for nobody here checks the answer to it."""
    more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    ).encode()


def client_frame(payload: bytes, opcode: int = 1) -> bytes:
    """Return a final frame, masked with zeros as a client must."""
    size = len(payload)
    short = size if size < 126 else 126 if size < 65_536 else 127
    length = b"" if short < 126 else size.to_bytes(2 if short == 126 else 8)
    return bytes([0x80 | opcode, 0x80 | short]) + length + b"\0\0\0\0" + payload


class Connection:
    """A TCP connection that writes at once."""

    def __init__(self, port: int) -> None:
        """Talk to a port of the loopback."""
        self._port = port
        self._reader = asyncio.StreamReader()
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        if self._writer is not None:
            self._writer.close()

    async def write(self, data: bytes) -> None:
        """Write, and wait while the server's buffers are full."""
        assert self._writer is not None
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self) -> bytes:
        """Read one HTTP answer and return its body; raises RuntimeError when it tells of an error."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        status, _, fields = head.partition(b"\r\n")
        length = 0
        for line in fields.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        body = await self._reader.readexactly(length)
        if not status.startswith((b"HTTP/1.1 2", b"HTTP/1.1 101")):
            raise RuntimeError(f"the server refused events: {status.decode()} {body[:200].decode()}")
        return body


class HttpSink(Connection):
    """An array of events as one POST."""

    def __init__(self, port: int, path: str, headers: Mapping[str, str] | None = None) -> None:
        """Post to a path."""
        super().__init__(port)
        more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{more}Content-Length: "
        )

    async def send(self, events: Sequence[bytes]) -> None:
        """Return when the server has answered."""
        await self.post(b"[" + b",".join(events) + b"]")

    async def post(self, body: bytes) -> bytes:
        """Return the answer to a body."""
        await self.write(f"{self._head}{len(body)}\r\n\r\n".encode() + body)
        return await self.answer()


class NchanSink(HttpSink):
    """An event a POST, those of one tick behind one another without waiting (RFC 9112 9.3.2)."""

    async def send(self, events: Sequence[bytes]) -> None:
        """Return when all are answered."""
        for start in range(0, len(events), 50):
            part = events[start : start + 50]
            await self.write(b"".join(f"{self._head}{len(event)}\r\n\r\n".encode() + event for event in part))
            for _ in part:
                await self.answer()


class NatsSink(Connection):
    """`PUB` over TCP."""

    async def __aenter__(self) -> Self:
        """Connect and say who it is."""
        await super().__aenter__()
        await self._reader.readline()
        await self.write(b'CONNECT {"verbose":false,"pedantic":false}\r\n')
        return self

    async def send(self, events: Sequence[bytes]) -> None:
        """Return when the server took them from the buffer."""
        await self.write(b"".join(b"PUB bench %d\r\n%b\r\n" % (len(event), event) for event in events))


class SocketSink(Connection):
    """A text frame an event, over a WebSocket."""

    async def __aenter__(self) -> Self:
        """Connect and upgrade."""
        await super().__aenter__()
        await self.write(websocket_request("/publish"))
        await self.answer()
        return self

    async def send(self, events: Sequence[bytes]) -> None:
        """Return when the server took them from the buffer."""
        await self.write(b"".join(client_frame(event) for event in events))


class AmqpSink:
    """A message an event, or an array, with confirms, to an exchange."""

    def __init__(self, url: str, exchange: str, routing_key: str, *, arrays: bool = False) -> None:
        """Publish to an exchange that exists."""
        self._url = url
        self._name = exchange
        self._key = routing_key
        self._arrays = arrays
        self._connection: AbstractConnection | None = None
        self._exchange: AbstractExchange | None = None

    async def __aenter__(self) -> Self:
        """Connect."""
        self._connection = await aio_pika.connect(self._url)
        channel = await self._connection.channel()
        self._exchange = await channel.get_exchange(self._name, ensure=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        if self._connection is not None:
            await self._connection.close()

    async def send(self, events: Sequence[bytes]) -> None:
        """Return when the broker has confirmed them."""
        bodies = [b"[" + b",".join(events) + b"]"] if self._arrays else events
        await self.send_bodies(bodies)

    async def send_bodies(self, bodies: Sequence[bytes]) -> None:
        """Publish bodies as they are; return when the broker has confirmed them."""
        for start in range(0, len(bodies), CONFIRMS):
            await asyncio.gather(*(self._publish(body) for body in bodies[start : start + CONFIRMS]))

    async def _publish(self, body: bytes) -> None:
        assert self._exchange is not None
        message = aio_pika.Message(
            body, content_type="application/json", delivery_mode=aio_pika.DeliveryMode.PERSISTENT
        )
        for again in range(REFUSALS, -1, -1):
            try:
                await self._exchange.publish(message, self._key, mandatory=False)
            except DeliveryError:
                # The broker refuses while it deletes the queues of a thousand viewers that have left.
                if not again:
                    raise
                await asyncio.sleep(0.5)
            else:
                return
