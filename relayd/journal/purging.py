"""
What is removed for good, in the writer's thread: the lines go, the row with their places stays.

Rule 1: a chunk that is emptied keeps its places and its number of events, so floors, counts and retention go on as if
nothing had happened.
Rule 2: a slice is bounded, because commits wait for it; only `scour`, which writes the whole file anew, is not.
"""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from relayd.core.timeline import Entry
from relayd.journal.checksums import checksum
from relayd.journal.ledger import Ledger
from relayd.journal.quarantine import moved_aside
from relayd.journal.reading import CHUNKS_AFTER, REJECTED, SNAPSHOTS, Span, kept_row, lines, number_of
from relayd.journal.rows import entry, rejected_event
from relayd.journal.transaction import transaction
from relayd.journal.writing import PUT_SNAPSHOT, changing, snapshot_row
from relayd.ports import Doomed, Found, JournalError
from relayd.protocol.cursor import Place

__all__ = ["Purging"]

T = TypeVar("T")

SLICE_BYTES = 4 << 20
"""Of lines that one transaction looks at."""

AT_OFFSET = (
    "SELECT epoch, first_offset, last_offset, last_item, last_part, body, checksum, project FROM chunks"
    " WHERE first_offset <= ? AND last_offset >= ?"
)
BUSY = "readers keep the write-ahead log, which may still hold what was removed: do it again"


class Purging(ABC):
    """The verbs of a journal with which events are removed; whoever inherits it opens the file."""

    _path: Path

    async def find(self, offset: int, item: int) -> Found:
        """Return what came of the raw events with that number in bodies at that offset, of any epoch and project."""
        return await self._ask(lambda db: find(db, offset, item))

    async def purge(self, doomed: Sequence[Doomed]) -> int:
        """Empty the places of what is doomed, keep the places, and return how many events and rejected ones went."""
        gone = 0
        for one in doomed:
            piece = Piece(0, one.after)
            while piece.reached is not None:
                piece = await self._change(partial(purge_slice, doomed=one, after=piece.reached))
                gone += piece.events
        return gone + await self._change(partial(purge_rejected, doomed=doomed))

    async def scour(self) -> Sequence[str]:
        """Leave nothing in the file of what it holds no more; return the files moved aside that may still hold it."""
        await self._change(lambda db, _: scour(db))
        return [one.name for one in moved_aside(self._path)]

    @abstractmethod
    async def _ask(self, job: Callable[[sqlite3.Connection], T]) -> T: ...

    @abstractmethod
    async def _change(self, job: Callable[[sqlite3.Connection, Ledger], T]) -> T: ...


class Piece(NamedTuple):
    """What one transaction removed, and how far it has come; None at the end."""

    events: int
    reached: Place | None


def purge_slice(db: sqlite3.Connection, ledger: Ledger, *, doomed: Doomed, after: Place) -> Piece:
    """Empty the places of some chunks of a project, and bring its snapshot in line."""
    number = None if doomed.project_id is None else number_of(db, doomed.project_id)
    if number is None:
        return Piece(0, None)
    span = Span(after, doomed.before)
    emptied, payloads, reached, room = [], [], None, SLICE_BYTES
    for row in db.execute(CHUNKS_AFTER, (number, *after)):
        chunk = lines(number, row)
        if (chunk.epoch, chunk.first_offset) > doomed.before[:2]:
            break
        reached = Place(chunk.epoch, chunk.last_offset, chunk.last_item, chunk.last_part)
        if gone := chunk.within(span):
            held = set(gone)
            left = b"\n".join([line for line in chunk.body.split(b"\n") if line not in held])
            columns = (number, *chunk[:5])
            emptied.append((left, checksum(columns, left), *columns))
            payloads += gone
        room -= len(chunk.body)
        if room <= 0:
            break
    else:
        reached = None
    with changing(db, ledger):
        db.executemany(
            "UPDATE chunks SET body = ?, checksum = ? WHERE project = ? AND epoch = ? AND first_offset = ?"
            " AND last_offset = ? AND last_item = ? AND last_part = ?",
            emptied,
        )
        values = db.execute(f"{SNAPSHOTS} WHERE number = ?", (number,)).fetchone()
        if values is not None:
            db.execute(PUT_SNAPSHOT, snapshot_row(number, doomed.state(kept_row(values), payloads)))
    return Piece(len(payloads), None if reached is None or reached >= doomed.before else reached)


def purge_rejected(db: sqlite3.Connection, ledger: Ledger, *, doomed: Sequence[Doomed]) -> int:
    """Delete what could not be understood and is doomed; its place stands in the checkpoints."""
    gone = []
    for number, epoch, offset, item, part, body in db.execute(
        "SELECT number, epoch, offset, item, part, body FROM rejected"
    ):
        place = Place(epoch, offset, item, part)
        if any(one.after < place < one.before and one.named in body for one in doomed):
            gone.append((number,))
    with changing(db, ledger):
        db.executemany("DELETE FROM rejected WHERE number = ?", gone)
    return len(gone)


def scour(db: sqlite3.Connection) -> None:
    """Write the file anew without what was deleted, and empty the write-ahead log."""
    # Pages that are free, and what is free in others, still hold what stood there before.
    db.execute("VACUUM")
    (busy, *_) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise JournalError(BUSY)


def find(db: sqlite3.Connection, offset: int, item: int) -> Found:
    """Return what came of the raw events with that number in bodies at that offset."""
    entries: list[Entry] = []
    with transaction(db, "DEFERRED"):
        for *row, number in db.execute(AT_OFFSET, (offset, offset)):
            chunk = lines(number, row)
            span = Span(Place(chunk.epoch, offset, item, -1), Place(chunk.epoch, offset, item + 1, -1))
            entries += [entry(chunk.epoch, line) for line in chunk.within(span)]
        rejected = db.execute(f"SELECT {REJECTED} WHERE offset = ? AND item = ?", (offset, item)).fetchall()
    return Found(entries=entries, rejected=[rejected_event(row) for row in rejected])
