"""A way for a browser to a relay that lets WebSockets through, or only HTTP, or nothing."""

import asyncio
from typing import Literal

from tests.harness.proxy import Proxy

__all__ = ["Gate"]


class Gate(Proxy):
    """`turn` it to `open`, to `http` (sockets are reset) or to `shut`; what is let through no longer is cut."""

    def __init__(self, target: int) -> None:
        super().__init__(target)
        self.way: Literal["open", "http", "shut"] = "open"
        self.sockets = 0
        """WebSockets that were let through or asked for so far."""

    @property
    def url(self) -> str:
        """Where the relay seems to be."""
        return f"http://127.0.0.1:{self.port}"

    def turn(self, way: Literal["open", "http", "shut"]) -> None:
        """Let this much through from now on."""
        self.way = way
        self.cut()

    async def opening(self, reader: asyncio.StreamReader) -> bytes | None:
        """Look at a connection's first request: an upgrade comes on a connection of its own."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        upgrade = b"upgrade: websocket" in head.lower()
        self.sockets += upgrade
        return None if self.way == "shut" or (upgrade and self.way == "http") else head
