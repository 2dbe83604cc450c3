"""The load program as its user sees it: cohorts of viewers, and what they got."""

import asyncio
import json
import struct
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from benchmarks.measure.histogram import Histogram
from benchmarks.measure.processes import cpu_seconds, pinned

__all__ = ["Heard", "Load", "Opened", "Request"]

LINE = 16 * 1024 * 1024


class Request(NamedTuple):
    """What a viewer sends: the HTTP request, and what follows the upgrade."""

    upgrade: bytes
    after: bytes = b""


class Opened(NamedTuple):
    """How the opening of a cohort went."""

    opened: int
    failed: int
    retries: int
    seconds: float
    refusal: str


class Heard(NamedTuple):
    """What a cohort got since the last reset."""

    viewers: int
    open: int
    heard: int
    last_first: int
    """When the last viewer got its first event, CLOCK_MONOTONIC nanoseconds."""
    lowest: int
    """Least of the viewers' newest sequence numbers."""
    highest: int
    messages: int
    frames: int
    bytes: int
    lost: int
    repeated: int
    closes: int
    last_close: int
    gone: int
    latency: Histogram
    at: int
    """When this was told, CLOCK_MONOTONIC nanoseconds."""


class Load:
    """One running load program."""

    def __init__(self, program: Path, core: int, folder: Path) -> None:
        """Run `program` on a core; files with requests go to `folder`."""
        self._program = program
        self._core = core
        self._folder = folder
        self._child: Process | None = None
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Start it."""
        argv = pinned(self._core, [str(self._program)])
        self._child = await asyncio.create_subprocess_exec(*argv, stdin=PIPE, stdout=PIPE, limit=LINE)

    async def stop(self) -> None:
        """End it with all its sockets; it ends when nobody talks to it any more."""
        if self._child is not None and self._child.stdin is not None:
            self._child.stdin.close()
            await self._child.wait()

    async def __aenter__(self) -> Self:
        """Start it."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop it."""
        await self.stop()

    def cpu(self) -> float:
        """Return the CPU seconds it has used."""
        return cpu_seconds(self._process.pid)

    async def open(
        self,
        port: int,
        requests: Sequence[Request],
        *,
        cohort: int = 0,
        concurrency: int = 100,
        seconds: float = 60,
        last: int = -1,
    ) -> Opened:
        """Open a socket for each request; what was open in this cohort is closed before."""
        path = self._folder / f"cohort-{cohort}"
        path.write_bytes(
            b"".join(
                struct.pack("=II", len(item.upgrade), len(item.after)) + item.upgrade + item.after for item in requests
            )
        )
        told = await self._ask(f"open {cohort} {port} {path} {concurrency} {seconds} {last}")
        return Opened(**told)

    async def open_all(
        self, port: int, requests: Sequence[Request], *, cohort: int = 0, concurrency: int = 100
    ) -> Opened:
        """Open a socket for each request; raises RuntimeError when one is refused for a minute."""
        opened = await self.open(port, requests, cohort=cohort, concurrency=concurrency)
        if opened.failed:
            raise RuntimeError(f"{opened.failed} of {len(requests)} viewers were refused: {opened.refusal}")
        return opened

    async def close(self, cohort: int = 0) -> None:
        """Close the sockets of a cohort."""
        await self._ask(f"close {cohort}")

    async def cut(self, cohort: int = 0) -> None:
        """Reset the connections of a cohort, as when a machine is gone."""
        await self._ask(f"cut {cohort}")

    async def farewell(self, cohort: int = 0, *, seconds: float = 10) -> None:
        """Say goodbye on a cohort's WebSockets and wait for the answers; raises RuntimeError when one does not come."""
        await self._ask(f"farewell {cohort}")
        deadline = time.monotonic() + seconds
        while left := (await self.heard(cohort)).open:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{left} viewers said goodbye and were not answered")
            await asyncio.sleep(0.02)
        await self.close(cohort)

    async def reset(self) -> int:
        """Forget what was counted and return when, in CLOCK_MONOTONIC nanoseconds."""
        told = await self._ask("reset")
        return int(told["at"])

    async def heard(self, cohort: int = 0) -> Heard:
        """Return what a cohort got since the last reset."""
        told = await self._ask("report")
        figures = told["cohorts"][cohort]
        kept = {name: figures[name] for name in Heard._fields if name in figures and name != "latency"}
        return Heard(**kept, latency=Histogram(figures["latency"]), at=told["at"])

    @property
    def _process(self) -> Process:
        if self._child is None:
            raise RuntimeError("the load program is not running")
        return self._child

    async def _ask(self, line: str) -> dict[str, Any]:
        async with self._turn:
            child = self._process
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(f"{line}\n".encode())
            await child.stdin.drain()
            answer = await child.stdout.readline()
        if not answer:
            raise RuntimeError(f"the load program ended at {line!r}")
        told: dict[str, Any] = json.loads(answer)
        return told
