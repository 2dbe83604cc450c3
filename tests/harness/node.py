"""A viewer in Node, made with its library `ws`: another implementation of WebSocket and of its compression."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.harness.process import MEND, find

__all__ = ["NodeViewer", "node_viewer"]

LIBRARIES = Path("/usr/share/nodejs")
"""Where Debian keeps them; a node that is not Debian's is told by NODE_PATH."""

SCRIPT = Path(__file__).with_name("node_viewer.js")
SECONDS = 15.0
LINE = 2**22
"""Longest line it prints: an envelope, and quotes."""


class NodeViewer:
    """One socket in a process of its own, and what came over it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.texts: list[str] = []
        """All messages so far, as they came."""
        self.pings = 0
        """How often the relay asked for a sign of life."""
        self._waiting: list[dict[str, Any]] = []

    async def line(self) -> dict[str, Any]:
        """Return what happens next."""
        assert self._process.stdout is not None
        async with asyncio.timeout(SECONDS):
            text = await self._process.stdout.readline()
        assert text, "the viewer in node ended; what it complained of is above"
        line: dict[str, Any] = json.loads(text)
        assert "error" not in line, line["error"]
        if "message" in line:
            self.texts.append(line["message"])
        self.pings += "ping" in line
        return line

    async def told(self, name: str) -> dict[str, Any]:
        """Return the next line of a name: `open`, `message`, `pong`, `ping`, `close`; others are passed over."""
        while name not in (line := await self.line()):
            pass
        return line

    async def text(self) -> str:
        """Return the next frame as it is."""
        text: str = (await self.told("message"))["message"]
        return text

    async def hears(self, kind: str) -> dict[str, Any]:
        """Return the next message of a type, envelopes opened; what comes before it is passed over."""
        while True:
            while not self._waiting:
                frame = json.loads(await self.text())
                self._waiting = frame["messages"] if frame["type"] == "batch" else [frame]
            if (message := self._waiting.pop(0))["type"] == kind:
                return message

    async def lines(self, count: int) -> list[str]:
        """Return the texts of the next lines of log."""
        return [(await self.hears("workflow_log"))["message"] for _ in range(count)]

    def does(self, **what: object) -> None:
        """Let it `send` a text, `ping` with a payload, or `close` with a code."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what).encode() + b"\n")


@asynccontextmanager
async def node_viewer(
    address: str, *, protocols: Sequence[str], deflate: Mapping[str, object] | bool
) -> AsyncGenerator[NodeViewer]:
    """Start one; `deflate` is what `ws` calls perMessageDeflate.  Raises RuntimeError with the mend without `ws`."""
    if not (LIBRARIES / "ws" / "package.json").is_file():
        raise RuntimeError(f"Debian's node-ws is not installed, and this test runs the real one; {MEND}")
    asked = {"address": address, "protocols": protocols, "options": {"perMessageDeflate": deflate}}
    process = await asyncio.create_subprocess_exec(
        find("node"),
        str(SCRIPT),
        json.dumps(asked),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "NODE_PATH": str(LIBRARIES)},
        limit=LINE,
    )
    try:
        yield NodeViewer(process)
    finally:
        # It ends when nobody can tell it anything any more; what it still prints has to be read for that.
        await process.communicate(b"")
