"""
Events at a pace, whatever the server makes of it.

Events are created by the clock and stamped when they are; a server that takes them slowly finds more of them in its
next request, and its latency shows it.  Were they created only when the server is ready, its slowness would be hidden.
"""

import asyncio
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

__all__ = ["ARRAY", "TICK", "Feed", "Sink", "Stream"]

TICK = 0.005
"""Events are created at most so often; what is due since the last time is created together."""

ARRAY = 100
FAST = 5_000
"""Above so many events a second they are sent in arrays of ARRAY; below, one request a tick."""

PATIENCE = 10.0
"""Seconds that a server gets for its last request."""

MOST = 2_000
"""Events of one request, so that a server which fell behind gets no request without end."""


class Sink(Protocol):
    """Where events go."""

    async def send(self, events: Sequence[bytes]) -> None:
        """Hand over events; return when the server has taken them."""
        ...


class Stream:
    """Events of one or more projects in turn, each project's numbered from 1 without a hole."""

    def __init__(self, size: int = 300, projects: Sequence[str] = ("bench",)) -> None:
        """Make events of `size` bytes of JSON."""
        self._made = 0
        self._projects = len(projects)
        stamp = f"{time.time():.3f}"
        self._heads = [
            f'{{"type":"workflow_log","project_id":"{project}","timestamp":{stamp},"level":"info","message":"@bench:'
            for project in projects
        ]
        longest = max(map(len, self._heads))
        padding = size - longest - len("0123456789:0123456789012345678;") - len('"}')
        if padding < 0:
            raise ValueError(f"an event of {size} bytes has no room for its mark; use {size - padding} or more")
        self._tails = [";" + "x" * (padding + longest - len(head)) + '"}' for head in self._heads]

    @property
    def made(self) -> int:
        """How many events there are so far; with one project the number of the last one."""
        return self._made

    def take(self, count: int) -> list[bytes]:
        """Return the next events, stamped now."""
        now = f":{time.monotonic_ns():019d}"
        events = []
        for number in range(self._made, self._made + count):
            turn, project = divmod(number, self._projects)
            events.append(f"{self._heads[project]}{turn + 1:010d}{now}{self._tails[project]}".encode())
        self._made += count
        return events

    def give_back(self, count: int) -> None:
        """Take back the newest events, which nobody has seen."""
        self._made -= count


class Feed:
    """
    Feeds a sink from a stream for as long as its `async with` lasts.

    What was created and not yet offered by then goes back to the stream.
    """

    def __init__(self, sink: Sink, stream: Stream, rate: float, *, array: int | None = None) -> None:
        """Send `rate` events a second; `array` None: as the rate says."""
        self._sink = sink
        self._stream = stream
        self.rate = rate
        self._array = array if array is not None else ARRAY if rate > FAST else 1
        self._pending: list[bytes] = []
        self._news = asyncio.Event()
        self._stopped = False
        self._tasks: list[asyncio.Task[None]] = []
        self.sent = 0

    async def __aenter__(self) -> Self:
        """Begin."""
        self._tasks = [asyncio.create_task(self._create()), asyncio.create_task(self._send())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End; after an error at once."""
        self._stopped = True
        self._news.set()
        _, stuck = await asyncio.wait(self._tasks, timeout=0 if kind is not None else PATIENCE)
        for task in stuck:
            task.cancel()
        done = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._stream.give_back(len(self._pending))
        self._pending = []
        for one in done:
            if kind is None and isinstance(one, Exception):
                raise one

    @property
    def waiting(self) -> int:
        """Events that were created and that the server has not been offered yet."""
        return len(self._pending)

    async def _create(self) -> None:
        began = time.monotonic()
        made = 0
        gap = max(TICK, 1 / self.rate)
        turn = 0
        while not self._stopped:
            due = int((time.monotonic() - began) * self.rate) + 1
            if due > made:
                self._pending += self._stream.take(due - made)
                made = due
                self._news.set()
            turn += 1
            await asyncio.sleep(max(0.0, began + turn * gap - time.monotonic()))

    async def _send(self) -> None:
        while not self._stopped:
            if len(self._pending) < self._array:
                self._news.clear()
                await self._news.wait()
                continue
            count = min(len(self._pending), MOST) if self._array == 1 else self._array
            events, self._pending = self._pending[:count], self._pending[count:]
            await self._sink.send(events)
            self.sent += count
