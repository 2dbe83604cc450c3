import asyncio
import os
import sqlite3
import stat
import threading
from pathlib import Path
from typing import Literal

import pytest

from relayd.journal.connection import connect_reader, connect_writer


@pytest.mark.parametrize(("synchronous", "level"), [("full", 2), ("normal", 1)])
async def test_a_writer_is_as_safe_as_asked(tmp_path: Path, synchronous: Literal["full", "normal"], level: int) -> None:
    """A log that can't be read again survives a loss of power."""
    writer = await connect_writer(tmp_path / "db", synchronous=synchronous)
    assert await writer.run(lambda db: db.execute("PRAGMA synchronous").fetchone()) == (level,)
    assert await writer.run(lambda db: db.execute("PRAGMA journal_mode").fetchone()) == ("wal",)
    await writer.close()


def modes_in(folder: Path) -> dict[str, int]:
    """Return who may do what with the files of a folder."""
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


async def test_the_files_are_the_users_alone(tmp_path: Path) -> None:
    """Also the write-ahead log, whatever the umask."""
    before = os.umask(0)
    try:
        writer = await connect_writer(tmp_path / "db", synchronous="normal")
        await writer.run(lambda db: db.execute("CREATE TABLE t (x)"))
        modes = modes_in(tmp_path)
        assert modes == {"db": 0o600, "db-wal": 0o600, "db-shm": 0o600}
        await writer.close()
    finally:
        os.umask(before)


async def test_a_reader_does_not_write(tmp_path: Path) -> None:
    """Two writers would wait for each other."""
    writer = await connect_writer(tmp_path / "db", synchronous="normal")
    reader = await connect_reader(tmp_path / "db")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await reader.run(lambda db: db.execute("CREATE TABLE t (x)"))
    await reader.close()
    await writer.close()


async def test_a_job_runs_to_its_end_when_its_caller_is_cancelled(tmp_path: Path) -> None:
    """So no transaction is ever left open in the middle."""
    writer = await connect_writer(tmp_path / "db", synchronous="normal")
    begun, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def job(db: sqlite3.Connection) -> None:
        db.execute("BEGIN")
        db.execute("CREATE TABLE t (x)")
        loop.call_soon_threadsafe(begun.set)
        go_on.wait()
        db.execute("COMMIT")

    caller = asyncio.create_task(writer.run(job))
    await begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go_on.set()
    assert await writer.run(lambda db: db.execute("SELECT name FROM sqlite_master").fetchall()) == [("t",)]
    await writer.close()


async def test_a_file_that_is_no_database_leaves_no_thread(tmp_path: Path) -> None:
    """What fails to open is closed."""
    (tmp_path / "db").write_text("no database" * 100)
    before = set(threading.enumerate())
    with pytest.raises(sqlite3.DatabaseError):
        await connect_writer(tmp_path / "db", synchronous="normal")
    for thread in set(threading.enumerate()) - before:
        # It has been told to end, and does so in its own time.
        await asyncio.to_thread(thread.join, 10)
        assert not thread.is_alive()
