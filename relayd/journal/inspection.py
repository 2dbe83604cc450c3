"""
A journal looked at from outside, while its relay runs or not; nothing is written, locked or waited for.

Who holds it is read in the kernel's list of locks: to try the lock would be to take it for a moment, and a relay that
starts in that moment would end with "in use".
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import msgspec
from msgspec import Struct

from relayd.journal.failures import explain
from relayd.journal.recovery import get_meta
from relayd.journal.schema import VERSION, check_format
from relayd.ports import JournalError, Position

__all__ = ["Inspection", "holder", "inspect"]

LOCKS = Path("/proc/locks")

FAILURES = (sqlite3.Error, OSError, msgspec.DecodeError)


class Inspection(Struct, frozen=True, kw_only=True):
    """What stands in a journal; sizes in bytes, times in Unix seconds."""

    format: int
    newest_format: int = VERSION
    size: int
    """With its write-ahead log."""
    log: str | None
    """Whose it is, None of a file that no relay has begun yet."""
    position: Position | None
    projects: int
    events: int
    last_received: float | None


def inspect(path: Path) -> Inspection:
    """Return what stands in the file; raises JournalError, FileNotFoundError where there is none."""
    size = path.stat().st_size
    wal = path.with_name(f"{path.name}-wal")
    # Without a write-ahead log nobody writes, and a reader would have to make one.
    how = "mode=ro" if wal.exists() else "immutable=1"
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?{how}", uri=True)) as db:
            return _read(db, size + (wal.stat().st_size if wal.exists() else 0))
    except FAILURES as error:
        raise explain(error, path) from error
    except JournalError as error:
        raise type(error)(f"journal {path}: {error}") from error


def _read(db: sqlite3.Connection, size: int) -> Inspection:
    found = check_format(db)
    if not found:
        return Inspection(format=0, size=size, log=None, position=None, projects=0, events=0, last_received=None)
    # One view for all of it: a relay may be writing.
    db.execute("BEGIN")
    (projects,) = db.execute("SELECT count(*) FROM projects").fetchone()
    (events,) = db.execute("SELECT coalesce(sum(events), 0) FROM chunks").fetchone()
    newest = db.execute("SELECT received_at FROM chunks ORDER BY seq DESC LIMIT 1").fetchone()
    return Inspection(
        format=found,
        size=size,
        log=get_meta(db, "log", str),
        position=get_meta(db, "position", Position),
        projects=projects,
        events=events,
        last_received=newest[0] if newest else None,
    )


def holder(path: Path, locks: Path = LOCKS) -> int | None:
    """Return the process that uses the journal, 0 for one that can't be seen from here, None if there is none."""
    try:
        lock = path.with_name(f"{path.name}.lock").stat()
    except FileNotFoundError:
        return None
    for line in locks.read_text(encoding="ascii").splitlines():
        # `1: FLOCK  ADVISORY  WRITE 4711 fd:01:1048602 0 EOF` (proc(5)); the process is -1 in another namespace.
        match line.split():
            case [_, "FLOCK", _, _, process, place, *_] if place.rpartition(":")[2] == str(lock.st_ino):
                return max(int(process), 0)
    return None
