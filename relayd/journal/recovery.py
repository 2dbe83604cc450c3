"""What a file says when it is opened; read in the writer's thread."""

import sqlite3
from typing import TypeVar

import msgspec

from relayd.core.floor import Floor
from relayd.journal.ledger import Ledger
from relayd.journal.rows import unpack_marks, unpack_repeats
from relayd.journal.writing import put_meta
from relayd.ports import Body, JournalError, Position, Recovered

__all__ = ["check_damage", "claim", "recover"]

T = TypeVar("T")


def check_damage(db: sqlite3.Connection) -> None:
    """Raise JournalError if the file was not closed and is damaged (0.7 s for a million events)."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version and not get_meta(db, "clean", bool):
        (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            told = " ".join(verdict.split())
            raise JournalError(f"the journal is damaged ({told}): move the file away and let a new one be made")


def claim(db: sqlite3.Connection, log: str) -> None:
    """Make a new file this log's, and note that it is open; raises JournalError if it is another's."""
    owner = get_meta(db, "log", str)
    if owner is not None and owner != log:
        raise JournalError(
            f"the journal belongs to the log {owner!r}, not to {log!r}: give `journal.path` another name,"
            " or move the file away and let a new one be made"
        )
    put_meta(db, "log", log)
    put_meta(db, "clean", value=False)


def get_meta(db: sqlite3.Connection, key: str, kind: type[T]) -> T | None:
    """Return what is kept under a key as that type, None if nothing is."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else msgspec.json.decode(row[0], type=kind)


def recover(db: sqlite3.Connection, *, window: int, max_events: int) -> tuple[Ledger, Recovered]:
    """Return what the file knows, without reading any event; `window` in keys of repeats, and in checkpoints."""
    ledger = Ledger(window=window, max_events=max_events)
    ledger.position = get_meta(db, "position", Position)
    ledger.floor = get_meta(db, "floor", Floor)
    floors: dict[str, Floor] = {}
    for number, project_id, floor in db.execute("SELECT number, project_id, floor FROM projects"):
        ledger.numbers[project_id] = number
        if floor is not None:
            floors[project_id] = msgspec.json.decode(floor, type=Floor)
    for number, events in db.execute("SELECT project, sum(events) FROM chunks GROUP BY project"):
        ledger.count(number, events)
    bodies = newest_marks(db, window) | newest_repeats(db, window, ledger)
    if ledger.position is not None:
        # The relay's head is the last body; a position can come without one.
        epoch, offset, mark = msgspec.structs.astuple(ledger.position)
        bodies.setdefault((epoch, offset), Body(epoch, offset, mark, ()))
    return ledger, Recovered(
        position=ledger.position,
        bodies=[bodies[at] for at in sorted(bodies)],
        floors=floors,
        floor=ledger.floor,
        projects=frozenset(ledger.numbers),
    )


def newest_marks(db: sqlite3.Connection, window: int) -> dict[tuple[int, int], Body]:
    """Return the newest bodies, at least `window` of them or all there are, by epoch and offset."""
    found: dict[tuple[int, int], Body] = {}
    for epoch, packed in db.execute("SELECT epoch, bodies FROM checkpoints ORDER BY seq DESC"):
        if len(found) >= window:
            break
        found.update(((epoch, offset), Body(epoch, offset, mark, ())) for offset, mark in unpack_marks(packed))
    return found


def newest_repeats(db: sqlite3.Connection, window: int, ledger: Ledger) -> dict[tuple[int, int], Body]:
    """Return the newest bodies that hold `window` keys together, and tell the ledger of their rows."""
    rows: list[tuple[int, int, int, bytes]] = []
    total = 0
    for row in db.execute("SELECT seq, keys, epoch, bodies FROM repeats ORDER BY seq DESC"):
        if total >= window:
            break
        rows.append(row)
        total += row[1]
    found: dict[tuple[int, int], Body] = {}
    for seq, keys, epoch, packed in reversed(rows):
        ledger.remember(seq, keys)
        found.update(((epoch, body.offset), body) for body in unpack_repeats(epoch, packed))
    return found
