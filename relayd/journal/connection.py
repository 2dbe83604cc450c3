"""A connection with its own thread, to which whole jobs are handed."""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

import aiosqlite

__all__ = ["Connection", "connect_reader", "connect_writer"]

T = TypeVar("T")

PAGE_BYTES = 4096
WAL_LIMIT_BYTES = 64 << 20
"""After a checkpoint the write-ahead log shrinks to this; a long read may have let it grow."""


class Connection(aiosqlite.Connection):
    """aiosqlite's thread, but one job is a whole transaction: no other job and no cancellation comes in between."""

    stopping: "asyncio.Future[None] | None" = None
    """Done when the thread has ended."""

    def __init__(self, connector: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connector, iter_chunk_size=1)
        # One that hangs in the kernel must not keep the process from ending.
        self._thread.daemon = True

    def stop(self) -> "asyncio.Future[None] | None":
        """End the thread once it has done what is queued."""
        self.stopping = super().stop()
        return self.stopping

    async def run(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Return what the job returns; it runs to its end even if the caller is cancelled."""
        result: T = await self._execute(job, self._conn)  # type: ignore[no-untyped-call]
        return result


async def connect_writer(path: Path, *, synchronous: Literal["full", "normal"]) -> Connection:
    """Open the file for writing, made for this user alone if it is new; raises sqlite3.Error or OSError."""

    def open_file() -> sqlite3.Connection:
        # SQLite would make it with the umask; its companions take over the mode of the file.
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fresh = os.fstat(file).st_size == 0
        os.close(file)
        pragmas = {"page_size": PAGE_BYTES, "journal_mode": "WAL", "synchronous": synchronous,
                   "journal_size_limit": WAL_LIMIT_BYTES, "cache_size": -16_384}  # fmt: skip
        # Said of a file that is there it would be written, and on a full disk that could not be opened.
        return prepared(path, {"auto_vacuum": "INCREMENTAL", **pragmas} if fresh else pragmas)

    return await started(open_file)


async def connect_reader(path: Path) -> Connection:
    """Open the file for reading; raises sqlite3.Error."""
    return await started(lambda: prepared(path, {"query_only": 1, "cache_size": -8_192}))


async def started(connector: Callable[[], sqlite3.Connection]) -> Connection:
    """Return a connection whose thread runs."""
    connection = Connection(connector)
    try:
        await connection
    except BaseException:
        # Else the thread would report its end to a loop that may be gone.
        if connection.stopping is not None:
            await connection.stopping
        raise
    return connection


def prepared(path: Path, pragmas: dict[str, Any]) -> sqlite3.Connection:
    """Return a connection whose transactions are ours to begin."""
    db = sqlite3.connect(path, isolation_level=None)
    try:
        for name, value in pragmas.items():
            db.execute(f"PRAGMA {name} = {value}")
    except sqlite3.Error:
        db.close()
        raise
    return db
