"""
What is dropped, a slice at a time: too old, too many of one project, too many bytes; oldest first.

Rule 1: what is dropped raises its project's floor in the same transaction, so no past is called whole that is not.
Rule 2: a slice is bounded, because commits wait for it.
Rule 3: chunks are dropped whole, always the oldest of a project; so what stays above the floor is without holes.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import msgspec

from relayd.core.floor import Floor
from relayd.journal.checksums import unseal
from relayd.journal.ledger import Ledger
from relayd.journal.writing import changing, higher, put_floor, put_meta
from relayd.protocol.cursor import Place

__all__ = ["SLICE", "Limits", "retain"]

SLICE = 200
"""Rows of a kind that one call drops at most."""

SLICE_BYTES = 4 << 20
"""Bodies that one call drops at most, or one body if it is larger: freeing a page costs as much as a row."""

GIVEN_BACK = 512
"""Pages that one call gives back to the disk: 2 MiB, which take 15 ms of the writer's thread."""

SPARE = 8
"""An eighth of the file may be free pages: they are soon used again, and moving others out of the way costs."""

DOOMED = (
    "SELECT seq, project, epoch, last_offset, last_item, last_part, last_fingerprint, events, received_at,"
    " length(body) FROM chunks"
)
IDLE = """
    SELECT number, project_id, floor, epoch, offset, item, part FROM projects LEFT JOIN snapshots ON project = number
    WHERE idle_since < ? AND (updated_at IS NULL OR updated_at < ?) ORDER BY idle_since LIMIT ?
"""


class Limits(NamedTuple):
    """How much is kept."""

    max_age_seconds: float
    max_bytes: int
    """Of the file, free pages not counted."""
    max_events_per_project: int
    """So many stay at least; one chunk more may."""


class Doomed(NamedTuple):
    """A chunk to drop, without its body."""

    seq: int
    project: int
    epoch: int
    offset: int
    item: int
    part: int
    fingerprint: bytes
    events: int
    received_at: float
    nbytes: int


class Slice:
    """What one call drops."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """Begin with nothing."""
        self._db = db
        self.room = SLICE
        self._bytes = SLICE_BYTES
        self.events: Counter[int] = Counter()
        self.last: dict[int, Doomed] = {}
        """The newest chunk dropped, by project."""

    def drop(self, chunks: Iterable[Doomed]) -> None:
        """Drop chunks, the oldest of their projects, as far as there is room."""
        doomed = []
        for chunk in chunks:
            if not self.room:
                break
            doomed.append((chunk.seq,))
            self._bytes -= chunk.nbytes
            self.room = self.room - 1 if self._bytes > 0 else 0
            self.events[chunk.project] += chunk.events
            self.last[chunk.project] = chunk
        self._db.executemany("DELETE FROM chunks WHERE seq = ?", doomed)


def retain(db: sqlite3.Connection, ledger: Ledger, limits: Limits, now: float) -> dict[str | None, Floor]:
    """Drop one slice and return the floors it raised, by project id (None: all projects)."""
    horizon = now - limits.max_age_seconds
    raised: dict[str | None, Floor] = {}
    with changing(db, ledger):
        piece = Slice(db)
        piece.drop(aged(db, piece.room, horizon))
        settled = drop_crowds(db, ledger, piece, limits.max_events_per_project)
        piece.drop(surplus(db, piece.room, limits.max_bytes))
        raised.update(raise_floors(db, ledger, piece))
        trim_checkpoints(db)
        db.execute("DELETE FROM repeats WHERE seq IN (SELECT seq FROM repeats WHERE seq < ? ORDER BY seq LIMIT ?)",
                   (ledger.window_begin, SLICE))  # fmt: skip
        gone, floor = forget_idle(db, horizon, ledger.floor)
        if floor is not None:
            raised[None] = floor
            put_meta(db, "floor", floor)
    ledger.crowded -= settled
    for number, events in piece.events.items():
        ledger.count(number, -events)
    ledger.forget(gone)
    ledger.floor = floor or ledger.floor
    give_back(db)
    return raised


def give_back(db: sqlite3.Connection) -> None:
    """Let the file shrink by a slice of what is free beyond the spare; others were made without the way to."""
    pages, free, _ = sizes(db)
    surplus = min(GIVEN_BACK, free - pages // SPARE)
    if surplus > 0:
        # A script is stepped to its end; as a statement it would end behind the first page.
        db.executescript(f"PRAGMA incremental_vacuum({surplus})")


def sizes(db: sqlite3.Connection) -> tuple[int, int, int]:
    """Return how many pages the file has, how many of them are free, and the bytes of one."""
    counts = [db.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "freelist_count", "page_size")]
    pages, free, size = (int(count) for (count,) in counts)
    return pages, free, size


def oldest(db: sqlite3.Connection, room: int) -> Iterator[Doomed]:
    """Return the oldest chunks of all."""
    return (Doomed(*row) for row in db.execute(f"{DOOMED} ORDER BY seq LIMIT ?", (room,)))


def aged(db: sqlite3.Connection, room: int, horizon: float) -> Iterator[Doomed]:
    """Return the oldest chunks that were received before the horizon."""
    for chunk in oldest(db, room):
        # The first that is young ends it: passing over it would leave a hole in its project.
        if chunk.received_at >= horizon:
            return
        yield chunk


def drop_crowds(db: sqlite3.Connection, ledger: Ledger, piece: Slice, most: int) -> set[int]:
    """Drop from projects with too many events and return those that need no second look."""
    settled: set[int] = set()
    for number in islice(ledger.crowded, SLICE):
        piece.drop(crowd(db, number, ledger.events[number] - piece.events[number] - most))
        if not piece.room:
            break
        settled.add(number)
    return settled


def crowd(db: sqlite3.Connection, number: int, excess: int) -> Iterator[Doomed]:
    """Return the oldest chunks of a project that together have no more events than it has too many."""
    for row in db.execute(f"{DOOMED} WHERE project = ? ORDER BY epoch, last_offset, last_item, last_part", (number,)):
        chunk = Doomed(*row)
        excess -= chunk.events
        if excess < 0:
            return
        yield chunk


def surplus(db: sqlite3.Connection, room: int, most: int) -> Iterator[Doomed]:
    """Return the oldest chunks that together are as large as what the file holds too much."""
    pages, free, size = sizes(db)
    excess = (pages - free) * size - most
    if excess <= 0:
        return
    for chunk in oldest(db, room):
        yield chunk
        excess -= chunk.nbytes
        if excess <= 0:
            return


def raise_floors(db: sqlite3.Connection, ledger: Ledger, piece: Slice) -> dict[str | None, Floor]:
    """Raise the floors of the projects that lost chunks, and note which have none left."""
    raised: dict[str | None, Floor] = {}
    for number, chunk in piece.last.items():
        floor = Floor(Place(chunk.epoch, chunk.offset, chunk.item, chunk.part), chunk.fingerprint)
        idle_since = chunk.received_at if ledger.events[number] == piece.events[number] else None
        (updated,) = db.execute(
            "UPDATE projects SET idle_since = ? WHERE number = ? RETURNING project_id", (idle_since, number)
        ).fetchall()
        # It may be higher already, above a hole.
        raised[str(updated[0])] = put_floor(db, number, floor)
    return raised


def trim_checkpoints(db: sqlite3.Connection) -> None:
    """Drop checkpoints older than every event; a cursor there could only be a floor, which has its own fingerprint."""
    chunk = db.execute("SELECT epoch, first_offset FROM chunks ORDER BY seq LIMIT 1").fetchone()
    newest = db.execute("SELECT epoch, first_offset FROM checkpoints ORDER BY seq DESC LIMIT 1").fetchone()
    if newest is None:
        return
    needed = newest if chunk is None else min(chunk, newest)
    doomed = []
    for seq, epoch, last_offset in db.execute(
        "SELECT seq, epoch, last_offset FROM checkpoints ORDER BY seq LIMIT ?", (SLICE,)
    ):
        if (epoch, last_offset) >= needed:
            break
        doomed.append((seq,))
    db.executemany("DELETE FROM checkpoints WHERE seq = ?", doomed)


def forget_idle(
    db: sqlite3.Connection, horizon: float, floor: Floor | None
) -> tuple[list[tuple[int, str]], Floor | None]:
    """
    Drop projects that had no event for the whole age; return them and the floor of all projects, if it rose.

    With the project its floor is forgotten, so the floor of all takes it over: else `0` would be called whole again.
    """
    rows = db.execute(IDLE, (horizon, horizon, SLICE)).fetchall()
    raised = None
    for _number, _project_id, kept, *place in rows:
        own = msgspec.json.decode(unseal(kept), type=Floor) if kept is not None else Floor(Place(*place))
        if higher(raised or floor, own):
            raised = own
    doomed = [(number,) for number, *_ in rows]
    db.executemany("DELETE FROM snapshots WHERE project = ?", doomed)
    db.executemany("DELETE FROM projects WHERE number = ?", doomed)
    return [(number, project_id) for number, project_id, *_ in rows], raised
