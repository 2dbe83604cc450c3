import sqlite3
from collections.abc import Iterator

import pytest

from relayd.journal.schema import APPLICATION_ID, STEPS, VERSION, check_format, migrate, refuse_strange
from relayd.ports import JournalDamaged, JournalMistake

NEXT = ("ALTER TABLE meta ADD COLUMN since REAL", "UPDATE meta SET since = 1.5")
"""A step that a later relayd may take."""


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """Give an empty database."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    yield connection
    connection.close()


def test_a_new_file_takes_every_step(db: sqlite3.Connection) -> None:
    """It is marked as ours and as the newest format."""
    migrate(db)
    assert check_format(db) == VERSION
    assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)


def test_an_older_file_takes_the_steps_it_lacks(db: sqlite3.Connection) -> None:
    """What it holds is still there, in the new shape."""
    migrate(db)
    db.execute("INSERT INTO meta VALUES ('log', '\"x\"')")
    migrate(db, [*STEPS, NEXT])
    migrate(db, [*STEPS, NEXT])
    assert db.execute("SELECT * FROM meta").fetchall() == [("log", '"x"', 1.5)]
    assert check_format(db, VERSION + 1) == VERSION + 1


def test_a_step_is_taken_whole_or_not_at_all(db: sqlite3.Connection) -> None:
    """A step that fails leaves the file as the last one left it, so it can be taken again."""
    migrate(db)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        migrate(db, [*STEPS, [*NEXT, "DROP TABLE absent"]])
    assert check_format(db) == VERSION
    migrate(db, [*STEPS, NEXT])


def test_a_newer_file_is_refused(db: sqlite3.Connection) -> None:
    """An older relayd can't know what a newer one wrote."""
    migrate(db, [*STEPS, NEXT])
    with pytest.raises(JournalMistake, match=f"format {VERSION + 1}, this relayd knows up to {VERSION}: run the newer"):
        migrate(db)


@pytest.mark.parametrize("statement", ["CREATE TABLE photos (id INTEGER)", "PRAGMA user_version = 1"])
def test_another_programs_database_is_refused(db: sqlite3.Connection, statement: str) -> None:
    """A mistyped path must not fill somebody's database with our tables."""
    db.execute(statement)
    with pytest.raises(JournalMistake, match="another program"):
        migrate(db)


def test_a_table_that_is_not_as_it_was_made_is_damage(db: sqlite3.Connection) -> None:
    """Somebody's own index is none of ours."""
    migrate(db)
    db.execute("CREATE INDEX of_an_operator ON chunks (received_at)")
    refuse_strange(db)
    db.execute("PRAGMA writable_schema = ON")
    db.execute("UPDATE sqlite_master SET sql = replace(sql, 'offset', 'ofFset') WHERE name = 'snapshots'")
    with pytest.raises(JournalDamaged, match="snapshots is not as it was made"):
        refuse_strange(db)


def test_a_table_that_is_gone_is_damage(db: sqlite3.Connection) -> None:
    """The file says that it has taken all steps."""
    migrate(db)
    db.execute("DROP INDEX chunks_by_place")
    with pytest.raises(JournalDamaged, match="chunks_by_place"):
        refuse_strange(db)
