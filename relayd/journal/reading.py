"""What is asked of the journal, in the reader's thread; each answer is one consistent view of the file."""

import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

import msgspec

from relayd.core.timeline import Entry
from relayd.journal.checksums import unseal, verify
from relayd.journal.rows import entry, place_of, project_row, rejected_event, unpack_marks
from relayd.journal.transaction import transaction
from relayd.ports import Kept, Position, ProjectRow, Rejected
from relayd.protocol.cursor import Place

__all__ = [
    "CHUNKS_AFTER",
    "REJECTED",
    "SNAPSHOTS",
    "Span",
    "fingerprint",
    "kept_row",
    "lines",
    "list_projects",
    "list_rejected",
    "load",
    "number_of",
    "read",
    "show_rejected",
]

# Chunks of a project don't overlap, so they are in order by their last place.
CHUNKS_AFTER = (
    "SELECT epoch, first_offset, last_offset, last_item, last_part, body, checksum FROM chunks WHERE project = ?"
    " AND (epoch, last_offset, last_item, last_part) > (?, ?, ?, ?)"
    " ORDER BY epoch, last_offset, last_item, last_part"
)
CHUNKS_BEFORE = (
    "SELECT epoch, first_offset, last_offset, last_item, last_part, body, checksum FROM chunks WHERE project = ?"
    " AND (epoch, last_offset, last_item, last_part) <= (?, ?, ?, ?)"
    " ORDER BY epoch DESC, last_offset DESC, last_item DESC, last_part DESC"
)
SNAPSHOTS = (
    "SELECT project_id, epoch, offset, item, part, status, owner, team, started_at, completed_at, updated_at, snapshot,"
    " project, checksum FROM snapshots JOIN projects ON number = project"
)
REJECTED = """
    cursor, epoch, offset, item, part, reason, detail, headers, body, received_at, truncated, replayed_at FROM rejected
"""
FIRST = Place(-1, -1, -1, -1)
LAST = Place(2**62, 0)


class Span(NamedTuple):
    """Everything strictly between two places."""

    after: Place
    before: Place


class Lines(NamedTuple):
    """One chunk as read."""

    epoch: int
    first_offset: int
    last_offset: int
    last_item: int
    last_part: int
    body: bytes
    checksum: int | None

    def within(self, span: Span) -> list[bytes]:
        """Return the lines inside the span; where the span ends in the chunk, a handful is looked at, not all."""
        # Of what was removed for good only the places are left.
        lines = self.body.split(b"\n") if self.body else []

        def place(line: bytes) -> Place:
            return place_of(self.epoch, line)

        if (self.epoch, self.last_offset) >= span.before[:2]:
            del lines[bisect_left(lines, span.before, key=place) :]
        if (self.epoch, self.first_offset) <= span.after[:2]:
            del lines[: bisect_right(lines, span.after, key=place)]
        return lines


def lines(number: int, row: Sequence[Any]) -> Lines:
    """Return a chunk of the project with that number; raises JournalDamaged if it is not what was written."""
    chunk = Lines(*row)
    verify(chunk.checksum, (number, *chunk[:5]), chunk.body)
    return chunk


def kept_row(values: Sequence[Any]) -> ProjectRow:
    """Return a project of `SNAPSHOTS`; raises JournalDamaged if it is not what was written."""
    project_id, *columns, snapshot, number, stored = values
    verify(stored, (number, *columns), snapshot)
    return project_row((project_id, *columns, snapshot))


def number_of(db: sqlite3.Connection, project_id: str) -> int | None:
    """Return the number of a project."""
    row = db.execute("SELECT number FROM projects WHERE project_id = ?", (project_id,)).fetchone()
    return None if row is None else int(row[0])


def read(
    db: sqlite3.Connection, project_id: str, *, after: Place | None, before: Place | None, limit: int, newest: bool
) -> list[Entry]:
    """Return up to `limit` entries strictly between the places, oldest first; `newest`: those nearest the end."""
    with transaction(db, "DEFERRED"):
        number = number_of(db, project_id)
        if number is None or limit <= 0:
            return []
        span = Span(after or FIRST, before or LAST)
        return nearest_end(db, number, span, limit) if newest else nearest_begin(db, number, span, limit)


def nearest_begin(db: sqlite3.Connection, number: int, span: Span, limit: int | None) -> list[Entry]:
    """Return the oldest entries of a span, oldest first; all of them if `limit` is None."""
    found: list[Entry] = []
    for chunk in chunks_after(db, number, span):
        lines = chunk.within(span)
        found += [entry(chunk.epoch, line) for line in lines[: None if limit is None else limit - len(found)]]
        if len(found) == limit:
            break
    return found


def nearest_end(db: sqlite3.Connection, number: int, span: Span, limit: int) -> list[Entry]:
    """Return the newest entries of a span, oldest first."""
    parts: list[list[Entry]] = []
    room = limit
    for chunk in chunks_before(db, number, span):
        if not room or (chunk.epoch, chunk.last_offset) < span.after[:2]:
            break
        # One that ends with `before` itself may hold nothing else; those below it do.
        lines = chunk.within(span)
        parts.append([entry(chunk.epoch, line) for line in lines[-room:]])
        room -= len(parts[-1])
    return [one for part in reversed(parts) for one in part]


def chunks_after(db: sqlite3.Connection, number: int, span: Span) -> Iterator[Lines]:
    """Return the chunks that reach into a span, oldest first."""
    rows = (lines(number, row) for row in db.execute(CHUNKS_AFTER, (number, *span.after)))
    return takewhile(lambda chunk: (chunk.epoch, chunk.first_offset) <= span.before[:2], rows)


def chunks_before(db: sqlite3.Connection, number: int, span: Span) -> Iterator[Lines]:
    """Return the chunks that reach into a span, newest first."""
    # Those that end behind the span but begin inside: one, or the parts of one body that was cut.
    yield from reversed(
        [chunk for chunk in chunks_after(db, number, Span(span.before, span.before)) if chunk.within(span)]
    )
    for row in db.execute(CHUNKS_BEFORE, (number, *span.before)):
        yield lines(number, row)


def load(db: sqlite3.Connection, project_id: str, *, newest: int) -> Kept | None:
    """Return one project: newest snapshot, the entries after it, and the newest entries."""
    with transaction(db, "DEFERRED"):
        number = number_of(db, project_id)
        if number is None:
            return None
        values = db.execute(f"{SNAPSHOTS} WHERE number = ?", (number,)).fetchone()
        row = None if values is None else kept_row(values)
        tail = nearest_end(db, number, Span(FIRST, LAST), newest) if newest > 0 else []
        place = FIRST if row is None else row.place
        if tail and tail[0].place <= place:
            since = [one for one in tail if one.place > place]
        else:
            since = nearest_begin(db, number, Span(place, LAST), None)
        return Kept(row=row, since=since, newest=tail)


def fingerprint(db: sqlite3.Connection, epoch: int, offset: int) -> bytes | None:
    """Return the fingerprint of the body at that offset, None when it is not known."""
    with transaction(db, "DEFERRED"):
        row = db.execute(
            "SELECT bodies FROM checkpoints WHERE epoch = ? AND first_offset <= ? ORDER BY first_offset DESC LIMIT 1",
            (epoch, offset),
        ).fetchone()
        found = next((mark for at, mark in unpack_marks(row[0]) if at == offset), None) if row is not None else None
        if found is None:
            position = db.execute("SELECT value FROM meta WHERE key = 'position'").fetchone()
            newest = None if position is None else msgspec.json.decode(unseal(position[0]), type=Position)
            if newest is not None and (newest.epoch, newest.offset) == (epoch, offset):
                return newest.fingerprint
        return found


def list_projects(db: sqlite3.Connection) -> Sequence[ProjectRow]:
    """Return the newest row of every project."""
    return [kept_row(values) for values in db.execute(SNAPSHOTS)]


def list_rejected(db: sqlite3.Connection, *, before: int | None, limit: int) -> list[tuple[int, Rejected]]:
    """Return rejected events with a number below `before`, newest first."""
    bound = 2**62 if before is None else before
    rows = db.execute(
        f"SELECT number, {REJECTED} WHERE number < ? ORDER BY number DESC LIMIT ?", (bound, max(0, limit))
    )
    return [(number, rejected_event(values)) for number, *values in rows]


def show_rejected(db: sqlite3.Connection, number: int) -> Rejected | None:
    """Return one rejected event, None when there is none of that number."""
    row = db.execute(f"SELECT {REJECTED} WHERE number = ?", (number,)).fetchone()
    return None if row is None else rejected_event(row)
