"""Somebody who asks a relay through all that stands before it, and looks at how the answer comes."""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from types import TracebackType
from typing import Any, Self

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    TCPConnector,
    WSMsgType,
    WSServerHandshakeError,
)
from msgspec import Struct

from relayd.client.ending import why_unreachable
from relayd.client.http import Unreachable

__all__ = ["Answer", "Closed", "Shaken", "Visitor"]

MOST_BYTES = 1 << 20
LARGEST_FRAME = 16 << 20


class Answer(Struct, frozen=True):
    """What came back; a `body` is cut after a mebibyte, or where the asker had enough."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    seconds: float
    """Until the head was there."""

    @property
    def said(self) -> bytes:
        """All of it that a token could stand in."""
        return "\n".join(f"{name}: {value}" for name, value in self.headers.items()).encode() + b"\n" + self.body


class Closed(Struct, frozen=True):
    """The end of a WebSocket, as a close frame says it; 0 without one."""

    code: int
    reason: str = ""


class Shaken(Struct, frozen=True):
    """A WebSocket's handshake: with a socket it is open, without one refused with `status`."""

    status: int
    headers: Mapping[str, str]
    socket: ClientWebSocketResponse | None = None

    async def hear(self, seconds: float) -> str | Closed | None:
        """Return the next text, the end, or None when nothing came in time."""
        assert self.socket is not None, "it was refused"  # noqa: S101  # for the type: whoever asks has looked
        try:
            message = await self.socket.receive(seconds)
        except TimeoutError:
            return None
        if message.type is WSMsgType.TEXT:
            text: str = message.data
            return text
        return Closed(message.data, str(message.extra or "")) if message.type is WSMsgType.CLOSE else Closed(0)

    async def say(self, words: str | bytes) -> None:
        """Send a text, or bytes as a binary frame; raises Unreachable."""
        assert self.socket is not None, "it was refused"  # noqa: S101  # as above
        try:
            await (self.socket.send_str(words) if isinstance(words, str) else self.socket.send_bytes(words))
        except (ClientError, OSError) as error:
            raise Unreachable(f"the connection broke: {error}") from error


class Visitor:
    """
    One who visits a base address; an async context manager.

    Redirects are not followed, and nothing of the environment's proxies is used: what is asked is what answers.
    """

    def __init__(self, base: str, *, seconds: float, tls: ssl.SSLContext | None = None) -> None:
        """Wait `seconds` at most for an answer; trust whom `tls` trusts, else whom the system does."""
        self.base = base
        # Nothing is kept: whether a connection can be made is a part of what is looked at.
        connector = TCPConnector(ssl=tls or True, force_close=True)
        self._http = ClientSession(connector=connector, timeout=ClientTimeout(total=None, sock_connect=seconds))
        self._seconds = seconds

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def get(self, path: str, headers: Mapping[str, str] | None = None, *, method: str = "GET") -> Answer:
        """Return a whole answer; raises Unreachable."""
        async with aclosing(self.watch(path, headers, method=method)) as parts:
            answer = await anext(parts)
            async for grown in parts:
                answer = grown
        return answer

    async def watch(
        self, path: str, headers: Mapping[str, str] | None = None, *, method: str = "GET"
    ) -> AsyncGenerator[Answer]:
        """Yield an answer as it grows, at first without a body; raises Unreachable, too, when it stops growing."""
        began = time.monotonic()
        try:
            # Each step has its own time: between two of them the asker may do what it likes.
            async with asyncio.timeout(self._seconds):
                response = await self._http.request(
                    method, f"{self.base}{path}", headers=headers, allow_redirects=False
                )
            async with response:
                took = time.monotonic() - began
                named = {name.lower(): value for name, value in response.headers.items()}
                body = b""
                try:
                    yield Answer(response.status, named, body, took)
                    while len(body) < MOST_BYTES:
                        async with asyncio.timeout(self._seconds):
                            chunk = await response.content.readany()
                        if not chunk:
                            return
                        body += chunk
                        yield Answer(response.status, named, body, took)
                finally:
                    hang_up(response)
        except (ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{self.base}{path.partition('?')[0]}: {why_unreachable(error)}") from error

    @asynccontextmanager
    async def shake(
        self, path: str, *, protocols: Sequence[str] = (), headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[Shaken]:
        """Give a WebSocket, open or refused, and close it at the end; raises Unreachable."""
        options: dict[str, Any] = {"protocols": protocols, "headers": headers, "max_msg_size": LARGEST_FRAME}
        try:
            async with asyncio.timeout(self._seconds):
                socket = await self._http.ws_connect(f"{self.base}{path}", autoping=True, compress=15, **options)
        except WSServerHandshakeError as error:
            named = {name.lower(): value for name, value in (error.headers or {}).items()}
            yield Shaken(error.status, named)
            return
        except (ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{self.base}{path}: {why_unreachable(error)}") from error
        head = socket._response.headers  # noqa: SLF001  # the library shows them nowhere else
        try:
            yield Shaken(101, {name.lower(): value for name, value in head.items()}, socket)
        finally:
            await socket.close()


def hang_up(response: ClientResponse) -> None:
    """
    Leave a stream that goes on, at once.

    Over TLS a close waits for the other side's farewell, and a proxy that looks for the end of the connection only
    keeps the place of who has left till then.
    """
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()
