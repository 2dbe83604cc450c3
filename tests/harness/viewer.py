"""Viewers over real sockets, made with a WebSocket library that has nothing in common with the relay's."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.harness.settled import Addresses, Event

__all__ = ["Viewer", "log", "narrow_socket", "refused", "watch"]

SECONDS = 15.0
"""Longest wait for something that must come; a busy machine is slow."""

SEGMENT = 1_400

NARROW = 32 * 1024
"""Bytes of a receive buffer that lets the relay feel at once that nobody reads; the usual one holds megabytes."""


def log(project_id: str, message: str, **fields: object) -> Event:
    """Return a line of log as a worker publishes it."""
    return {
        "type": "workflow_log",
        "project_id": project_id,
        "timestamp": 1.0,
        "level": "info",
        "message": message,
    } | fields


class Viewer:
    """One socket and what came over it."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[dict[str, Any]] = []
        """All JSON frames so far."""
        self._waiting: list[dict[str, Any]] = []

    @property
    def subprotocol(self) -> str | None:
        """What the relay chose."""
        return self.socket.subprotocol

    async def frame(self) -> dict[str, Any]:
        """Return the next frame, in JSON."""
        async with asyncio.timeout(SECONDS):
            frame: dict[str, Any] = json.loads(await self.socket.recv())
        self.frames.append(frame)
        return frame

    async def text(self) -> str:
        """Return the next frame as it is."""
        async with asyncio.timeout(SECONDS):
            text = await self.socket.recv()
        assert isinstance(text, str)
        return text

    async def hears(self, kind: str) -> dict[str, Any]:
        """Return the next message of a type, envelopes opened; what comes before it is passed over."""
        while True:
            message = await self.message()
            if message["type"] == kind:
                return message

    async def message(self) -> dict[str, Any]:
        """Return the next message, envelopes opened."""
        while not self._waiting:
            frame = await self.frame()
            self._waiting = frame["messages"] if frame["type"] == "batch" else [frame]
        return self._waiting.pop(0)

    async def lines(self, count: int) -> list[str]:
        """Return the texts of the next lines of log."""
        return [(await self.hears("workflow_log"))["message"] for _ in range(count)]

    async def says(self, command: object) -> None:
        """Send a text as it is, anything else in JSON."""
        await self.socket.send(command if isinstance(command, str) else json.dumps(command))

    async def ending(self) -> tuple[int, str]:
        """Return close code and reason; what comes before them is kept in `frames`."""
        try:
            while True:
                await self.frame()
        except ConnectionClosed:
            return self.socket.close_code or 0, self.socket.close_reason or ""


@asynccontextmanager
async def watch(
    relay: Addresses,
    project_id: str | None,
    *,
    token: str | None = None,
    legacy: bool = False,
    subprotocols: Sequence[str] | None = None,
    headers: Mapping[str, str] | None = None,
    narrow: bool = False,
    **query: Any,  # noqa: ANN401  # the parameters of a viewer's address
) -> AsyncGenerator[Viewer]:
    """
    Connect as a modern viewer, or as a legacy one with its token in the address; None is the socket for many.

    Who names `subprotocols` brings the token along itself; one that is given, too, goes into the address.  A `narrow`
    one keeps next to nothing of what it has not read.
    """
    offered = [*subprotocols] if subprotocols is not None else []
    if legacy or (subprotocols is not None and token is not None):
        query = {"token": relay.token() if token is None else token, **query}
    elif subprotocols is None:
        offered = ["relayd.v1", f"bearer.{relay.token() if token is None else token}"]
    how: dict[str, Any] = {"max_queue": 1, "sock": await dialled(relay)} if narrow else {}
    if relay.tls is not None:
        how["ssl"] = relay.tls
    if relay.comes_from is not None:
        how["local_addr"] = (relay.comes_from, 0)
    async with connect(
        relay.socket(project_id, **query),
        subprotocols=[Subprotocol(name) for name in offered] or None,
        additional_headers=headers,
        compression=None,
        ping_interval=None,
        proxy=None,
        open_timeout=SECONDS,
        close_timeout=2,
        max_size=2**22,
        **how,
    ) as connection:
        yield Viewer(connection)


async def dialled(relay: Addresses) -> socket.socket:
    """Return a connection whose receive buffer is narrow."""
    address = urlsplit(relay.url)
    dialling = narrow_socket()
    try:
        await asyncio.get_running_loop().sock_connect(dialling, (address.hostname, address.port))
    except BaseException:
        dialling.close()
        raise
    return dialling


def narrow_socket() -> socket.socket:
    """Return a socket that does not block, to be connected: the size of its window is settled then."""
    made = socket.socket()
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW)
    # Segments as on Ethernet: those of the loopback are larger than the buffer, and then only a timer moves them on.
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
    return made


async def refused(
    relay: Addresses,
    project_id: str | None,
    **how: Any,  # noqa: ANN401  # what `watch` takes
) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return HTTP status, JSON body and headers of a refusal before the upgrade; raises AssertionError without one."""
    try:
        async with watch(relay, project_id, **how):
            raise AssertionError("let in")
    except InvalidStatus as error:
        answer = error.response
        body = json.loads(answer.body or b"{}")
        return answer.status_code, body, {name.lower(): value for name, value in answer.headers.raw_items()}
