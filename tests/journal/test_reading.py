import sqlite3
from collections.abc import Iterator

import msgspec
import pytest

from relayd.journal.ledger import Ledger
from relayd.journal.reading import (
    CHUNKS_AFTER,
    CHUNKS_BEFORE,
    fingerprint,
    list_projects,
    list_rejected,
    load,
    read,
    show_rejected,
)
from relayd.journal.schema import migrate
from relayd.journal.writing import write
from relayd.ports import JournalDamaged
from relayd.protocol.cursor import Place
from relayd.testing.journal_words import commit, mark, poison, row, said


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """Give a journal of five commits of two events of one project, the last of them unreadable."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    ledger = Ledger(window=1, max_events=100)
    for offset in range(0, 10, 2):
        entries = [said("a", offset), said("a", offset + 1)]
        write(connection, ledger, commit(entries, projects=[row("a", Place(0, 1))]), max_rejected=9)
    write(connection, ledger, commit(position=(0, 12), rejected=[poison(12)]), max_rejected=9)
    connection.execute("UPDATE chunks SET body = CAST('rot' AS BLOB), checksum = NULL WHERE first_offset = 8")
    yield connection
    connection.close()


def test_no_more_is_decoded_than_asked(db: sqlite3.Connection) -> None:
    """A read that ends before a damaged row never meets it."""
    assert [0, 1, 2] == [one.place.offset for one in read(db, "a", after=None, before=None, limit=3, newest=False)]
    found = read(db, "a", after=Place(0, 2), before=Place(0, 7), limit=3, newest=True)
    assert [4, 5, 6] == [one.place.offset for one in found]


def test_a_page_before_an_event_that_was_committed_alone() -> None:
    """Its chunk ends where the page does and holds nothing of it; the page is behind it, and not empty."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    migrate(db)
    ledger = Ledger(window=1, max_events=100)
    for offset in range(6):
        write(db, ledger, commit([said("a", offset)]), max_rejected=9)
    for before in range(6):
        found = read(db, "a", after=None, before=Place(0, before), limit=3, newest=True)
        assert list(range(max(0, before - 3), before)) == [one.place.offset for one in found]
    assert [] == read(db, "a", after=Place(0, 2), before=Place(0, 3), limit=3, newest=True)
    db.close()


@pytest.mark.parametrize("newest", [False, True])
def test_a_damaged_row_is_never_passed_over(db: sqlite3.Connection, newest: bool) -> None:
    """Served as if whole, it would be a hole that nobody is told of."""
    with pytest.raises(msgspec.DecodeError):
        read(db, "a", after=None, before=None, limit=99, newest=newest)
    assert not db.in_transaction
    with pytest.raises(msgspec.DecodeError):
        load(db, "a", newest=1)


@pytest.mark.parametrize("newest", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        "body = CAST(replace(body, 'step', 'stop') AS BLOB)",
        "body = 7",
        "first_offset = 3",
        "project = 2",
        "checksum = checksum - 1",
    ],
)
def test_a_row_that_is_not_what_was_written_is_damage(db: sqlite3.Connection, newest: bool, change: str) -> None:
    """No tree is broken by it, and it reads well; but it says something else, or of somebody else."""
    db.execute("INSERT INTO projects (number, project_id) VALUES (2, 'b')")
    db.execute("DELETE FROM chunks WHERE first_offset = 8")
    db.execute(f"UPDATE chunks SET {change} WHERE first_offset = 4")  # noqa: S608  # words of the test
    project = "b" if change.startswith("project") else "a"
    with pytest.raises(JournalDamaged):
        read(db, project, after=None, before=None, limit=99, newest=newest)


@pytest.mark.parametrize("change", ["snapshot = CAST('{}' AS BLOB)", "offset = 0", "owner = 'eve'", "checksum = 1"])
def test_a_snapshot_that_is_not_what_was_written_is_damage(db: sqlite3.Connection, change: str) -> None:
    """Whoever loads the project, or lists all."""
    db.execute(f"UPDATE snapshots SET {change}")  # noqa: S608  # words of the test
    with pytest.raises(JournalDamaged):
        load(db, "a", newest=0)
    with pytest.raises(JournalDamaged):
        list_projects(db)


def test_rows_from_before_there_were_checksums_are_believed(db: sqlite3.Connection) -> None:
    """A file that was made by an older relayd goes on."""
    db.execute("UPDATE chunks SET checksum = NULL")
    db.execute("UPDATE snapshots SET checksum = NULL")
    assert 8 == len(read(db, "a", after=None, before=None, limit=8, newest=False))
    assert 1 == len(list_projects(db))


@pytest.mark.parametrize("query", [CHUNKS_AFTER, CHUNKS_BEFORE])
def test_places_are_found_by_the_index(db: sqlite3.Connection, query: str) -> None:
    """A deep resume must not walk through a project's whole past, nor sort it."""
    ((*_, plan),) = db.execute(f"EXPLAIN QUERY PLAN {query}", (1, 0, 0, 0, 0)).fetchall()
    assert "USING INDEX chunks_by_place (project=? AND (epoch,last_offset,last_item,last_part)" in plan


def test_a_fingerprint_is_that_of_its_offset(db: sqlite3.Connection) -> None:
    """Between two bodies and behind the last there is none; the position has its own."""
    wanted = [mark(0, 0), mark(0, 9), None, None, mark(0, 12), None]
    assert wanted == [fingerprint(db, 0, offset) for offset in (0, 9, 10, 11, 12, 13)]
    assert fingerprint(db, 1, 0) is None


def test_lists_are_read_without_any_event(db: sqlite3.Connection) -> None:
    """The damaged row does not disturb them."""
    assert [row("a", Place(0, 1))] == list(list_projects(db))
    assert [(1, poison(12))] == list_rejected(db, before=None, limit=9)
    assert poison(12) == show_rejected(db, 1)
