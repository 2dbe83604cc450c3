"""
The journal port on SQLite: one thread writes, one reads, and this class hands them whole jobs.

Rule 1: every verb is one job, hence one transaction or one consistent view; see `connection`.
Rule 2: what reaches callers is JournalError with a sentence, never an error of SQLite's.
"""

import asyncio
import json
import sqlite3
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from relayd.core.floor import Floor
from relayd.core.timeline import Entry
from relayd.journal import reading, writing
from relayd.journal.connection import Connection, connect_reader, connect_writer
from relayd.journal.failures import explain
from relayd.journal.ledger import Ledger
from relayd.journal.lock import Lock
from relayd.journal.purging import Purging
from relayd.journal.quarantine import move_aside
from relayd.journal.recovery import claim, look_through, recover, was_closed
from relayd.journal.retention import Limits, retain
from relayd.journal.schema import check_format, migrate, refuse_strange
from relayd.journal.transaction import transaction
from relayd.ports import (
    Aside,
    Commit,
    JournalDamaged,
    JournalError,
    JournalMistake,
    Kept,
    ProjectRow,
    Recovered,
    Rejected,
)
from relayd.protocol.cursor import BadCursorError, Place

__all__ = ["SqliteJournal"]

T = TypeVar("T")

FAILURES = (
    sqlite3.Error,
    OSError,
    msgspec.DecodeError,
    json.JSONDecodeError,
    UnicodeDecodeError,
    BadCursorError,
    struct.error,
)
"""What a broken disk or file makes our jobs raise."""


class Opened:
    """What there is while the journal is open."""

    def __init__(self, writer: Connection, reader: Connection, ledger: Ledger) -> None:
        """Hold the two connections; the ledger is for the writer's thread only."""
        self.writer = writer
        self.reader = reader
        self.ledger = ledger


class SqliteJournal(Purging):
    """
    Keeps one relay's view of one log in one file; see `ports.Journal`.

    A commit that does not go on behind the stored position is refused.  `retain` keeps at least the newest
    `max_events_per_project` events of a project and drops oldest first by age and by bytes of the file; call it
    again at once while it returns floors.  Of rejected events the newest `max_rejected` stay.  Freed pages are
    used again; beyond an eighth of the file they are given back, a slice with each call.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_age_seconds: float,
        max_bytes: int,
        max_events_per_project: int,
        max_rejected: int,
        synchronous: Literal["full", "normal"],
    ) -> None:
        """Prepare; `synchronous` is full where the log can't be read again: a commit then survives a loss of power."""
        self._path = path
        self._limits = Limits(max_age_seconds, max_bytes, max_events_per_project)
        self._max_rejected = max_rejected
        self._synchronous: Literal["full", "normal"] = synchronous
        self._lock: Lock | None = None
        self._opened: Opened | None = None
        self._sound = False
        """It was closed in order, or looked through since."""
        self._place: tuple[int, int] | None = None

    async def open(self, log: str, *, window: int) -> Recovered:
        """Open or create it for that log; raises JournalMistake, JournalDamaged or JournalError, and is closed then."""
        if self._lock is not None:
            raise JournalMistake(f"journal {self._path}: it is open already")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = self._locked()
            writer = await connect_writer(self._path, synchronous=self._synchronous)
            try:
                ledger, recovered = await writer.run(partial(self._begin, log=log, window=window))
                self._opened = Opened(writer, await connect_reader(self._path), ledger)
            except BaseException:
                await writer.close()
                raise
            return recovered
        except FAILURES as error:
            raise explain(error, self._path) from error
        except JournalError as error:
            raise type(error)(f"journal {self._path}: {error}") from error
        finally:
            if self._opened is None and self._lock is not None:
                self._lock.release()
                self._lock = None

    def _locked(self) -> Lock:
        return Lock(self._path.with_name(f"{self._path.name}.lock"))

    def _begin(self, db: sqlite3.Connection, *, log: str, window: int) -> tuple[Ledger, Recovered]:
        fresh = not check_format(db)
        migrate(db)
        refuse_strange(db)
        with transaction(db, "DEFERRED"):
            claim(db, log)
        self._sound = fresh or was_closed(db)
        self._place = place_of(self._path)
        with kinds_kept():
            return recover(db, window=window, max_events=self._limits.max_events_per_project)

    async def check(self) -> None:
        """Look through what an unclean stop left behind, beside all else; raises JournalDamaged, JournalError."""
        opened = self._need()
        if self._sound:
            return
        try:
            reader = await connect_reader(self._path)
            try:
                await self._run(reader, look_through)
            except JournalDamaged:
                if self._opened is opened:
                    raise
                # It was moved aside meanwhile; the one that is open now is another.
                return
            finally:
                # Whoever does not wait for the end lets it end at once.
                await reader.interrupt()
                await reader.close()
        except sqlite3.Error as error:
            raise explain(error, self._path) from error
        if self._opened is opened:
            self._sound = True

    async def set_aside(self, now: float) -> Aside | None:
        """Close it and move its file out of the way, so that `open` makes a new one; None where there is none."""
        with suppress(JournalError):
            await self._let_go(seal=False)
        if not self._path.parent.exists():
            return None
        try:
            lock = self._locked()
            try:
                return await asyncio.to_thread(move_aside, self._path, now)
            finally:
                lock.release()
        except OSError as error:
            raise explain(error, self._path) from error

    async def commit(self, commit: Commit) -> None:
        """Write all of it or nothing; raises JournalError, also for what lies before the stored position."""
        await self._change(lambda db, ledger: self._write(db, ledger, commit))

    def _write(self, db: sqlite3.Connection, ledger: Ledger, commit: Commit) -> None:
        if place_of(self._path) != self._place:
            # What is written to a file without a name is gone with the process.
            raise JournalDamaged(
                "the file was moved or deleted while it was in use: move it back and restart relayd,"
                " or let a new one be made"
            )
        writing.write(db, ledger, commit, max_rejected=self._max_rejected)

    async def load(self, project_id: str, *, newest: int) -> Kept | None:
        """Return one project with its newest entries, or None when the journal does not know it."""
        return await self._ask(lambda db: reading.load(db, project_id, newest=newest))

    async def read(
        self,
        project_id: str,
        *,
        after: Place | None = None,
        before: Place | None = None,
        limit: int,
        newest: bool = False,
    ) -> Sequence[Entry]:
        """Return up to `limit` entries strictly between the places, oldest first; `newest`: those nearest the end."""
        return await self._ask(
            lambda db: reading.read(db, project_id, after=after, before=before, limit=limit, newest=newest)
        )

    async def fingerprint(self, epoch: int, offset: int) -> bytes | None:
        """Return the fingerprint of the body at that offset, None when it is not (or no longer) known."""
        return await self._ask(lambda db: reading.fingerprint(db, epoch, offset))

    async def list_projects(self) -> Sequence[ProjectRow]:
        """Return all projects' newest rows."""
        return await self._ask(reading.list_projects)

    async def retain(self, now: float) -> Mapping[str | None, Floor]:
        """Drop a slice of what is beyond age, bytes or count; return raised floors by project (None: all projects)."""
        return await self._change(lambda db, ledger: self._retain(db, ledger, now))

    def _retain(self, db: sqlite3.Connection, ledger: Ledger, now: float) -> Mapping[str | None, Floor]:
        with kinds_kept():
            return retain(db, ledger, self._limits, now)

    async def list_rejected(self, *, before: int | None, limit: int) -> Sequence[tuple[int, Rejected]]:
        """Return rejected events with their numbers, newest first."""
        return await self._ask(lambda db: reading.list_rejected(db, before=before, limit=limit))

    async def show_rejected(self, number: int) -> Rejected | None:
        """Return one rejected event, None when there is none of that number."""
        return await self._ask(lambda db: reading.show_rejected(db, number))

    async def mark_replayed(self, number: int, now: float) -> None:
        """Note that a rejected event was published again; raises JournalError if it is not (or no longer) there."""
        await self._change(lambda db, ledger: writing.mark_replayed(db, ledger, number, now))

    async def close(self) -> None:
        """Finish what was begun and let go of the file; closing twice is no mistake."""
        await self._let_go(seal=self._sound)

    async def _let_go(self, *, seal: bool) -> None:
        opened, self._opened = self._opened, None
        lock, self._lock = self._lock, None
        if opened is None or lock is None:
            return
        try:
            # From the last to the first, each of them whatever became of the others.
            async with AsyncExitStack() as stack:
                stack.callback(lock.release)
                stack.push_async_callback(opened.writer.close)
                if seal:
                    stack.push_async_callback(opened.writer.run, partial(close_in_order, opened.ledger))
                stack.push_async_callback(opened.reader.close)
        except sqlite3.Error as error:
            raise explain(error, self._path) from error

    def _need(self) -> Opened:
        if self._opened is None:
            raise JournalError(f"journal {self._path}: it is not open")
        return self._opened

    async def _ask(self, job: Callable[[sqlite3.Connection], T]) -> T:
        return await self._run(self._need().reader, job)

    async def _change(self, job: Callable[[sqlite3.Connection, Ledger], T]) -> T:
        opened = self._need()
        return await self._run(opened.writer, lambda db: job(db, opened.ledger))

    async def _run(self, connection: Connection, job: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await connection.run(job)
        except FAILURES as error:
            raise explain(error, self._path) from error
        except JournalDamaged as error:
            raise JournalDamaged(f"journal {self._path}: {error}") from error


@contextmanager
def kinds_kept() -> Iterator[None]:
    """Raise JournalDamaged where a column holds another kind of value than was written there."""
    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        raise JournalDamaged(f"a row can't be read ({error}): move the file away and let a new one be made") from error


def place_of(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another of the same name, None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def close_in_order(ledger: Ledger, db: sqlite3.Connection) -> None:
    """Note that all is written, unless the file says so already."""
    if not ledger.sealed:
        writing.put_meta(db, "clean", value=True)
