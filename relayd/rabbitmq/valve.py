"""
A connection whose reading can be held back.

The broker counts messages, and they may be of any size: while they are not taken in, they would fill the memory.  With
the valve closed nothing is read, the buffers between fill up, and the broker waits.  If that takes longer than three
heartbeats the connection is given up, which costs no event.
"""

import asyncio

import aiormq
from yarl import URL

__all__ = ["Valve", "ValvedTransport"]


class Valve:
    """Is told what came through it and what went on from there; closed while more than `most` bytes wait between."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting = 0
        self._open = asyncio.Event()
        self._open.set()

    @property
    def is_open(self) -> bool:
        """Whether to read on."""
        return self._open.is_set()

    def open(self) -> None:
        """Open it until more comes, whatever waits: no connection ends or begins without an answer."""
        self._open.set()

    def came(self, nbytes: int) -> None:
        """So much came through."""
        self._waiting += nbytes
        if self._waiting > self._most:
            self._open.clear()

    def went(self, nbytes: int) -> None:
        """So much of it was taken in."""
        self._waiting -= nbytes
        if self._waiting <= self._most:
            self._open.set()

    def empty(self) -> None:
        """Nothing waits any more."""
        self._waiting = 0
        self._open.set()

    async def opened(self) -> None:
        """Return when it is open."""
        await self._open.wait()


class ValvedTransport(aiormq.TransportFactory):
    """Opens the connection with a reader that waits while the valve is closed."""

    def __init__(self, plain: aiormq.TransportFactory, valve: Valve) -> None:
        self.plain = plain
        self.valve = valve

    async def create(self, url: URL, **kwargs: object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return reader and writer of a new connection; raises what the plain factory raises."""
        reader, writer = await self.plain.create(url, **kwargs)
        return ValvedReader(reader, self.valve), writer


class ValvedReader(asyncio.StreamReader):
    """It is a StreamReader by type only; the bytes arrive in the one it wraps."""

    def __init__(self, inner: asyncio.StreamReader, valve: Valve) -> None:
        super().__init__()
        self.inner = inner
        self.valve = valve

    def at_eof(self) -> bool:
        """Return True at the end of the bytes."""
        return self.inner.at_eof()

    async def read(self, n: int = -1) -> bytes:
        """Return up to `n` bytes as they came."""
        return await self.inner.read(n)

    async def readexactly(self, n: int) -> bytes:
        """Return `n` bytes once the valve is open; raises IncompleteReadError."""
        if not self.valve.is_open:
            await self.valve.opened()
        return await self.inner.readexactly(n)
