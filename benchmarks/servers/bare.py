"""The limit: `send()` of the same bytes to the same sockets at the same pace, in C."""

import asyncio
import json
import subprocess
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import NamedTuple, Self

from benchmarks.load import Request
from benchmarks.measure.processes import cpu_seconds, pinned
from benchmarks.publish.sinks import websocket_request

__all__ = ["Bare", "Paced"]


class Paced(NamedTuple):
    """What the loop did."""

    events: int
    frames: int
    sends: int
    bytes: int
    viewers: int
    seconds: float


class Bare:
    """One running loop."""

    name = "bare send loop (C)"

    def __init__(self, program: Path, core: int) -> None:
        """Run `program` on a core."""
        self._argv = pinned(core, [str(program)])
        self._child: Process | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        """Start it."""
        self._child = await asyncio.create_subprocess_exec(*self._argv, stdin=PIPE, stdout=PIPE)
        self.port = json.loads(await self._line())["port"]
        return self

    async def __aexit__(self, *_: object) -> None:
        """End it; it ends when nobody talks to it any more."""
        child = self._process
        assert child.stdin is not None
        child.stdin.close()
        try:
            await asyncio.wait_for(child.wait(), 10)
        except TimeoutError:
            child.kill()
            await child.wait()

    def cpu(self) -> float:
        """Return the CPU seconds it has used."""
        return cpu_seconds(self._process.pid)

    def requests(self, count: int) -> list[Request]:
        """Return what that many viewers send."""
        return [Request(websocket_request("/"))] * count

    async def pace(self, rate: float, *, interval: float, size: int, seconds: float) -> Paced:
        """Send `rate` events a second of `size` bytes, frames at least `interval` seconds apart."""
        return Paced(**await self._ask(f"pace {rate} {round(interval * 1e6)} {size} {seconds}"))

    async def close(self) -> None:
        """End all connections."""
        await self._ask("close")

    @property
    def _process(self) -> Process:
        if self._child is None:
            raise RuntimeError("the bare loop is not running")
        return self._child

    async def _ask(self, line: str) -> dict[str, int]:
        child = self._process
        assert child.stdin is not None
        child.stdin.write(f"{line}\n".encode())
        await child.stdin.drain()
        told: dict[str, int] = json.loads(await self._line())
        return told

    async def _line(self) -> bytes:
        child = self._process
        assert child.stdout is not None
        line = await child.stdout.readline()
        if not line:
            raise subprocess.SubprocessError("the bare loop ended")
        return line
