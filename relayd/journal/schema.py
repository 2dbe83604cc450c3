"""
The tables, and the steps that brought them here; `PRAGMA user_version` counts the steps a file has taken.

Rule 1: a step that was released is never changed; a change of the tables is a new step at the end.
Rule 2: events are appended, in the log's order, one row for a project and commit.  A row for each event, or rows
clustered by project, wrote 7 to 29 times the payload to the write-ahead log.
"""

import sqlite3
from collections.abc import Sequence
from functools import cache

from relayd.journal.transaction import transaction
from relayd.ports import JournalDamaged, JournalMistake

__all__ = ["APPLICATION_ID", "STEPS", "VERSION", "check_format", "migrate", "refuse_strange"]

APPLICATION_ID = 0x72_65_6C_79
"""`rely`; `file` and we recognise a journal by it."""

STEPS: Sequence[Sequence[str]] = (
    (
        # log, position, floor, clean; the values are JSON.
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
        # A number is short where a project id of 36 characters would be in every entry of `chunks_by_place`.
        # `idle_since` is the receive time of the last event once none is left, and null before.
        """
        CREATE TABLE projects (
            number INTEGER PRIMARY KEY, project_id TEXT NOT NULL UNIQUE, floor BLOB, idle_since REAL
        )
        """,
        "CREATE INDEX projects_idle ON projects (idle_since) WHERE idle_since IS NOT NULL",
        # Apart from `projects`, whose rows are small and stay together so.
        """
        CREATE TABLE snapshots (
            project INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, offset INTEGER NOT NULL, item INTEGER NOT NULL,
            part INTEGER NOT NULL, status TEXT NOT NULL, owner TEXT, team TEXT, started_at REAL, completed_at REAL,
            updated_at REAL NOT NULL, snapshot BLOB NOT NULL
        )
        """,
        """
        CREATE TABLE chunks (
            seq INTEGER PRIMARY KEY, project INTEGER NOT NULL, epoch INTEGER NOT NULL, first_offset INTEGER NOT NULL,
            last_offset INTEGER NOT NULL, last_item INTEGER NOT NULL, last_part INTEGER NOT NULL,
            last_fingerprint BLOB NOT NULL, events INTEGER NOT NULL, received_at REAL NOT NULL, body BLOB NOT NULL
        )
        """,
        # `events` is here so that the counts at start are summed without touching the rows.
        "CREATE INDEX chunks_by_place ON chunks (project, epoch, last_offset, last_item, last_part, events)",
        """
        CREATE TABLE checkpoints (
            seq INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, first_offset INTEGER NOT NULL,
            last_offset INTEGER NOT NULL, bodies BLOB NOT NULL
        )
        """,
        "CREATE INDEX checkpoints_by_offset ON checkpoints (epoch, first_offset)",
        # Apart from `checkpoints`: those live as long as events do, these only as long as the window of repeats.
        """
        CREATE TABLE repeats (
            seq INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, keys INTEGER NOT NULL, bodies BLOB NOT NULL
        )
        """,
        """
        CREATE TABLE rejected (
            number INTEGER PRIMARY KEY AUTOINCREMENT, cursor TEXT NOT NULL, epoch INTEGER NOT NULL,
            offset INTEGER NOT NULL, item INTEGER NOT NULL, part INTEGER NOT NULL, reason TEXT NOT NULL,
            detail TEXT NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL, received_at REAL NOT NULL,
            truncated INTEGER NOT NULL, replayed_at REAL
        )
        """,
    ),
    (
        # See `checksums`; null in rows that were written before.
        "ALTER TABLE chunks ADD COLUMN checksum INTEGER",
        "ALTER TABLE snapshots ADD COLUMN checksum INTEGER",
    ),
)

VERSION = len(STEPS)


def check_format(db: sqlite3.Connection, newest: int = VERSION) -> int:
    """Return how many steps the file has taken; raises JournalMistake if it is not ours or newer."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if (version or tables) and application != APPLICATION_ID:
        raise JournalMistake("the file is a database of another program: give `journal.path` another name")
    if version > newest:
        raise JournalMistake(
            f"the file has format {version}, this relayd knows up to {newest}: run the newer relayd,"
            " or move the file away and let a new one be made"
        )
    return int(version)


def migrate(db: sqlite3.Connection, steps: Sequence[Sequence[str]] = STEPS) -> None:
    """Take the steps that the file has not taken, each whole or not at all; raises what `check_format` does."""
    version = check_format(db, len(steps))
    for number, step in enumerate(steps[version:], start=version + 1):
        with transaction(db):
            for statement in step:
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {number}")


def refuse_strange(db: sqlite3.Connection) -> None:
    """Raise JournalDamaged if a table is not as we made it: what a bit changed in its description, no check sees."""
    found = dict(db.execute("SELECT name, sql FROM sqlite_master").fetchall())
    if strange := sorted(name for name, sql in made().items() if found.get(name) != sql):
        raise JournalDamaged(
            f"the journal is damaged (its table {strange[0]} is not as it was made): move the file away and let a new"
            " one be made"
        )


@cache
def made() -> dict[str, str]:
    """Return how the tables and indices of a file are described that has taken all steps."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    try:
        migrate(db)
        return dict(db.execute("SELECT name, sql FROM sqlite_master").fetchall())
    finally:
        db.close()
