import sqlite3
from collections.abc import Iterator

import pytest

from relayd.journal.transaction import transaction


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """Give a database that checks its references when a transaction ends."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    connection.execute("CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
    yield connection
    connection.close()


def test_it_commits_at_the_end(db: sqlite3.Connection) -> None:
    """Nothing is left to do after the block."""
    with transaction(db):
        db.execute("INSERT INTO parent VALUES (1)")
    assert not db.in_transaction
    assert db.execute("SELECT count(*) FROM parent").fetchone() == (1,)


def test_it_rolls_back_what_raises(db: sqlite3.Connection) -> None:
    """Nothing is left of the block."""
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"), transaction(db):
        db.executemany("INSERT INTO parent VALUES (?)", [(1,), (2,), (1,)])
    assert not db.in_transaction
    assert db.execute("SELECT count(*) FROM parent").fetchone() == (0,)


def test_it_rolls_back_when_the_commit_itself_fails(db: sqlite3.Connection) -> None:
    """On a full disk it is the COMMIT that fails; the next transaction must find a clean connection."""
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"), transaction(db):
        db.execute("INSERT INTO child VALUES (7)")
    assert not db.in_transaction
    assert db.execute("SELECT count(*) FROM child").fetchone() == (0,)
