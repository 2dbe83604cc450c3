"""One commit, in the writer's thread: all of it or nothing."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import msgspec

from relayd.core.floor import Floor
from relayd.journal.checksums import checksum, seal, unseal
from relayd.journal.ledger import Ledger
from relayd.journal.rows import Chunk, checkpoints, chunks, project_values, rejected_values, repeats
from relayd.journal.transaction import transaction
from relayd.ports import Commit, JournalError, Position, ProjectRow

__all__ = ["PUT_SNAPSHOT", "changing", "higher", "mark_replayed", "put_floor", "put_meta", "snapshot_row", "write"]

PUT_META = "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
PUT_SNAPSHOT = """
    INSERT INTO snapshots (project, epoch, offset, item, part, status, owner, team, started_at, completed_at,
        updated_at, snapshot, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET epoch = excluded.epoch, offset = excluded.offset, item = excluded.item,
        part = excluded.part, status = excluded.status, owner = excluded.owner, team = excluded.team,
        started_at = excluded.started_at, completed_at = excluded.completed_at, updated_at = excluded.updated_at,
        snapshot = excluded.snapshot, checksum = excluded.checksum
"""
PUT_CHUNK = (
    "INSERT INTO chunks (project, epoch, first_offset, last_offset, last_item, last_part, last_fingerprint, events,"
    " received_at, body, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
PUT_CHECKPOINT = "INSERT INTO checkpoints (epoch, first_offset, last_offset, bodies) VALUES (?, ?, ?, ?)"
PUT_REPEATS = "INSERT INTO repeats (epoch, keys, bodies) VALUES (?, ?, ?)"
PUT_REJECTED = (
    "INSERT INTO rejected (cursor, epoch, offset, item, part, reason, detail, headers, body, received_at, truncated,"
    " replayed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
# Numbers have no holes: AUTOINCREMENT takes back what a rolled back transaction counted.
TRIM_REJECTED = "DELETE FROM rejected WHERE number <= (SELECT max(number) FROM rejected) - ?"


def write(db: sqlite3.Connection, ledger: Ledger, commit: Commit, *, max_rejected: int) -> None:
    """Write a commit; raises JournalError if it does not go on from the position, sqlite3.Error if the file fails."""
    refuse_steps_back(ledger.position, commit)
    cut = {project_id: list(chunks(entries)) for project_id, entries in commit.entries.items() if entries}
    rejected = [rejected_values(one) for one in commit.rejected]
    floor = commit.floor if higher(ledger.floor, commit.floor) else None
    window: list[tuple[int, int]] = []
    with changing(db, ledger):
        fresh = put_projects(db, ledger, commit, cut)
        numbers = ledger.numbers | fresh if fresh else ledger.numbers
        db.executemany(
            PUT_CHUNK,
            [chunk_row(numbers[project_id], chunk) for project_id, several in cut.items() for chunk in several],
        )
        db.executemany(PUT_SNAPSHOT, [snapshot_row(numbers[row.project_id], row) for row in commit.projects])
        db.executemany(PUT_CHECKPOINT, checkpoints(commit.bodies))
        window.extend((last_row(db.execute(PUT_REPEATS, row)), row.keys) for row in repeats(commit.bodies))
        if rejected:
            db.executemany(PUT_REJECTED, rejected)
            db.execute(TRIM_REJECTED, (max_rejected,))
        put_meta(db, "position", commit.position)
        if floor is not None:
            put_meta(db, "floor", floor)
        for project_id, own in commit.floors.items():
            put_floor(db, numbers[project_id], own)
    ledger.position = commit.position
    ledger.floor = floor or ledger.floor
    ledger.numbers.update(fresh)
    for project_id, several in cut.items():
        ledger.count(numbers[project_id], sum(chunk.events for chunk in several))
    for seq, keys in window:
        ledger.remember(seq, keys)


def refuse_steps_back(position: Position | None, commit: Commit) -> None:
    """Raise JournalError for what is written already; without new events a position may be told again."""
    if position is None:
        return
    stored = (position.epoch, position.offset)
    new = [(body.epoch, body.offset) for body in commit.bodies[:1]]
    new += [entries[0].place[:2] for entries in commit.entries.values() if entries]
    if (commit.position.epoch, commit.position.offset) < stored or any(at <= stored for at in new):
        raise JournalError(
            f"the journal already holds the log up to offset {position.offset} of epoch {position.epoch}:"
            " what lies before can't be written again; go on behind it"
        )


def put_projects(db: sqlite3.Connection, ledger: Ledger, commit: Commit, cut: dict[str, list[Chunk]]) -> dict[str, int]:
    """Give new projects their numbers, note who is idle and who no longer is, and return the new numbers."""
    fresh: dict[str, int] = {}
    updated: dict[str, ProjectRow] = {row.project_id: row for row in commit.projects}
    for project_id in dict.fromkeys(chain(cut, updated, commit.floors)):
        number = ledger.numbers.get(project_id)
        idle_since = None if project_id in cut else commit.received_at
        if project_id in updated and idle_since is not None:
            idle_since = updated[project_id].updated_at
        if number is None:
            row = (project_id, idle_since)
            fresh[project_id] = last_row(db.execute("INSERT INTO projects (project_id, idle_since) VALUES (?, ?)", row))
        elif not ledger.events.get(number):
            # max() with null is null: it has events again.
            db.execute("UPDATE projects SET idle_since = max(idle_since, ?) WHERE number = ?", (idle_since, number))
    return fresh


def put_floor(db: sqlite3.Connection, number: int, floor: Floor) -> Floor:
    """Raise a project's floor and return what it is now."""
    (kept,) = db.execute("SELECT floor FROM projects WHERE number = ?", (number,)).fetchone()
    old = None if kept is None else msgspec.json.decode(unseal(kept), type=Floor)
    if old is not None and not higher(old, floor):
        return old
    db.execute("UPDATE projects SET floor = ? WHERE number = ?", (seal(msgspec.json.encode(floor)), number))
    return floor


def chunk_row(number: int, chunk: Chunk) -> tuple[Any, ...]:
    """Return the columns of a chunk of the project with that number."""
    return (number, *chunk, checksum((number, *chunk[:5]), chunk.body))


def snapshot_row(number: int, row: ProjectRow) -> tuple[Any, ...]:
    """Return the columns of a snapshot of the project with that number."""
    columns = (number, *project_values(row))
    return (*columns, checksum(columns[:-1], row.snapshot))


@contextmanager
def changing(db: sqlite3.Connection, ledger: Ledger) -> Iterator[None]:
    """Change the file in one transaction; the first one notes that it is in use."""
    with transaction(db):
        if ledger.sealed:
            put_meta(db, "clean", value=False)
        yield
    ledger.sealed = False


def mark_replayed(db: sqlite3.Connection, ledger: Ledger, number: int, now: float) -> None:
    """Note when a rejected event was published again; raises JournalError if it is not there."""
    with changing(db, ledger):
        if not db.execute("UPDATE rejected SET replayed_at = ? WHERE number = ?", (now, number)).rowcount:
            raise JournalError(
                f"rejected event {number} is not (or no longer) in the journal: list them to see which are"
            )


def put_meta(db: sqlite3.Connection, key: str, value: object) -> None:
    """Keep one value under a key, as JSON."""
    db.execute(PUT_META, (key, seal(msgspec.json.encode(value))))


def higher(old: Floor | None, new: Floor | None) -> bool:
    """Tell whether the new floor raises the old one; floors never sink."""
    return new is not None and (old is None or new.place > old.place)


def last_row(cursor: sqlite3.Cursor) -> int:
    """Return the number that SQLite gave to the row just inserted."""
    assert cursor.lastrowid is not None  # noqa: S101 - an INSERT has just succeeded
    return cursor.lastrowid
