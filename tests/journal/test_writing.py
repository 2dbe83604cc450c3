import sqlite3
from collections.abc import Iterator

import pytest

from relayd.core.floor import Floor
from relayd.journal.ledger import Ledger
from relayd.journal.reading import list_rejected, load, read
from relayd.journal.recovery import recover
from relayd.journal.retention import Limits, retain
from relayd.journal.schema import migrate
from relayd.journal.writing import higher, write
from relayd.ports import Commit
from relayd.protocol.cursor import Place
from relayd.testing.journal_words import commit, poison, row, said


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """Give an empty journal's database."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    yield connection
    connection.close()


def dump(db: sqlite3.Connection) -> list[str]:
    """Return all that a database holds."""
    return list(db.iterdump())


def everything(offset: int) -> Commit:
    """Return a commit that writes to every table."""
    return commit(
        [said("a", offset), said("new", offset, item=1)],
        projects=[row("a", Place(0, offset)), row("quiet", Place(0, offset))],
        rejected=[poison(offset)],
        floor=Floor(Place(0, offset)),
    )


@pytest.mark.parametrize("table", ["projects", "snapshots", "chunks", "checkpoints", "repeats", "rejected", "meta"])
def test_a_commit_that_fails_in_the_middle_leaves_nothing(db: sqlite3.Connection, table: str) -> None:
    """Wherever it fails, neither the file nor what we remember of it has changed; and it can be tried again."""
    ledger = Ledger(window=5, max_events=100)
    write(db, ledger, commit([said("a", 1)]), max_rejected=9)
    db.execute(f"CREATE TRIGGER trap BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'trap'); END")
    before = dump(db)
    remembered = (ledger.position, ledger.floor, dict(ledger.numbers), dict(ledger.events), ledger.window_begin)
    with pytest.raises(sqlite3.IntegrityError, match="trap"):
        write(db, ledger, everything(2), max_rejected=9)
    assert dump(db) == before
    assert remembered == (ledger.position, ledger.floor, ledger.numbers, ledger.events, ledger.window_begin)
    db.execute("DROP TRIGGER trap")
    write(db, ledger, everything(2), max_rejected=9)
    assert len(read(db, "new", after=None, before=None, limit=9, newest=False)) == 1
    assert [1] == [number for number, _ in list_rejected(db, before=None, limit=9)]


def test_a_full_disk_leaves_what_was_there(db: sqlite3.Connection) -> None:
    """The commit that did not fit is not there in part, and a smaller one still fits."""
    ledger = Ledger(window=5, max_events=100)
    write(db, ledger, commit([said("a", 1)]), max_rejected=9)
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count = {pages + 4}")
    before = dump(db)
    with pytest.raises(sqlite3.OperationalError, match="full"):
        write(db, ledger, commit([said("a", 2, item=item, text="x" * 9000) for item in range(9)]), max_rejected=9)
    assert dump(db) == before
    write(db, ledger, commit([said("a", 2)]), max_rejected=9)


def test_what_is_remembered_is_what_the_file_says(db: sqlite3.Connection) -> None:
    """A ledger kept over commits and retention equals one read from the file."""
    ledger = Ledger(window=3, max_events=4)
    for offset in range(1, 9):
        write(db, ledger, everything(offset), max_rejected=2)
        retain(db, ledger, Limits(1e9, 1 << 40, 4), 0.0)
    fresh, _ = recover(db, window=3, max_events=4)
    assert (fresh.position, fresh.floor, fresh.numbers, fresh.window_begin) == (
        ledger.position,
        ledger.floor,
        ledger.numbers,
        ledger.window_begin,
    )
    assert fresh.events == {number: events for number, events in ledger.events.items() if events}


def test_only_a_project_without_events_is_idle(db: sqlite3.Connection) -> None:
    """Being idle is what ends a project; events end being idle, a newer snapshot prolongs it."""
    ledger = Ledger(window=3, max_events=4)

    def idle() -> dict[str, float | None]:
        return dict(db.execute("SELECT project_id, idle_since FROM projects").fetchall())

    write(db, ledger, commit([said("a", 1)], projects=[row("quiet", Place(0, 1), updated_at=5.0)]), max_rejected=9)
    assert idle() == {"a": None, "quiet": 5.0}
    write(db, ledger, commit(position=(0, 1), projects=[row("quiet", Place(0, 1), updated_at=7.0)]), max_rejected=9)
    write(db, ledger, commit(position=(0, 1), projects=[row("quiet", Place(0, 1), updated_at=6.0)]), max_rejected=9)
    assert idle() == {"a": None, "quiet": 7.0}
    write(db, ledger, commit([said("quiet", 2)]), max_rejected=9)
    assert idle() == {"a": None, "quiet": None}


def test_a_hostile_owner_does_not_stop_the_commit(db: sqlite3.Connection) -> None:
    """Half a surrogate pair is no UTF-8; it becomes a question mark."""
    ledger = Ledger(window=3, max_events=4)
    state = row("a", Place(0, 1), owner="eve\ud800")
    write(db, ledger, commit([said("a", 1)], projects=[state]), max_rejected=9)
    kept = load(db, "a", newest=1)
    assert kept is not None
    assert kept.row is not None
    assert kept.row.owner == "eve?"


def test_a_floor_rises_only() -> None:
    """The higher place is the higher floor, and none is the lowest."""
    low, high = Floor(Place(0, 9)), Floor(Place(1, 0))
    assert [False, True, False, True, False] == [
        higher(None, None),
        higher(None, low),
        higher(low, low),
        higher(low, high),
        higher(high, low),
    ]
