import sqlite3
from collections.abc import Iterator

import pytest

from relayd.core.floor import Floor
from relayd.journal.ledger import Ledger
from relayd.journal.reading import fingerprint, read
from relayd.journal.retention import SLICE, SLICE_BYTES, Limits, retain
from relayd.journal.schema import migrate
from relayd.journal.writing import write
from relayd.protocol.cursor import Place
from relayd.testing.journal_words import commit, mark, row, said

LOOSE = Limits(max_age_seconds=1e9, max_bytes=1 << 40, max_events_per_project=10**9)


class Desk:
    """A journal's database with its ledger."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.ledger = Ledger(window=5, max_events=10)

    def fill(self, commits: range, *, size: int = 10, at: float = 0.0, project: str = "a") -> None:
        for offset in commits:
            write(self.db, self.ledger, commit([said(project, offset, text="x" * size, at=at)]), max_rejected=9)

    def retain(self, limits: Limits, now: float = 0.0) -> dict[str | None, Floor]:
        return retain(self.db, self.ledger, limits, now)

    def count(self, table: str) -> int:
        return len(self.db.execute(f"SELECT * FROM {table}").fetchall())  # noqa: S608 - the tests name it

    def held(self, project: str = "a") -> list[int]:
        found = read(self.db, project, after=None, before=None, limit=10_000, newest=False)
        return [one.place.offset for one in found]

    def used(self) -> int:
        (pages,) = self.db.execute("PRAGMA page_count").fetchone()
        (free,) = self.db.execute("PRAGMA freelist_count").fetchone()
        return int(pages - free) * 4096


@pytest.fixture
def desk() -> Iterator[Desk]:
    """Give an empty journal."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    yield Desk(connection)
    connection.close()


def test_the_file_stays_below_its_bytes(desk: Desk) -> None:
    """The oldest go, over all projects, until the rest fits; what stays has no hole."""
    desk.fill(range(200), size=3000)
    desk.fill(range(200, 400), size=3000, project="b")
    limits = LOOSE._replace(max_bytes=500_000)
    raised: dict[str | None, Floor] = {}
    while slice_ := desk.retain(limits):
        raised |= slice_
    assert 300_000 < desk.used() <= 500_000
    assert desk.held("a") == []
    assert desk.held("b") == list(range(400 - len(desk.held("b")), 400))
    assert raised == {
        "a": Floor(Place(0, 199), mark(0, 199)),
        "b": Floor(Place(0, desk.held("b")[0] - 1), mark(0, desk.held("b")[0] - 1)),
    }


@pytest.mark.parametrize(
    "limits",
    [
        LOOSE._replace(max_age_seconds=1),
        LOOSE._replace(max_events_per_project=10),
        LOOSE._replace(max_bytes=0),
        Limits(1, 0, 10),
    ],
    ids=["age", "events", "bytes", "all"],
)
def test_a_slice_is_bounded(desk: Desk, limits: Limits) -> None:
    """A commit never waits for more than so many rows, however much there is to drop."""
    desk.fill(range(SLICE * 2))
    assert {"a": Floor(Place(0, SLICE - 1), mark(0, SLICE - 1))} == desk.retain(limits, now=10.0)
    assert SLICE == desk.count("chunks")


def test_a_slice_is_bounded_in_bytes(desk: Desk) -> None:
    """Freeing the pages of large bodies takes its time, too."""
    half = SLICE_BYTES // 10_000 // 2 + 1
    for offset in range(4):
        entries = [said("a", offset, item=item, text="x" * 10_000) for item in range(half)]
        write(desk.db, desk.ledger, commit(entries), max_rejected=9)
    assert Place(0, 1, half - 1) >= desk.retain(LOOSE._replace(max_bytes=0))["a"].place


def test_checkpoints_go_with_the_events(desk: Desk) -> None:
    """Below every event only a floor can be asked for; from the oldest event on all stay, and always the newest."""
    desk.fill(range(20))
    desk.fill(range(20, 30), at=50.0)
    desk.retain(LOOSE._replace(max_age_seconds=10), now=40.0)
    assert [None, mark(0, 20), mark(0, 29)] == [fingerprint(desk.db, 0, offset) for offset in (19, 20, 29)]
    desk.retain(LOOSE._replace(max_age_seconds=10), now=90.0)
    assert 0 == desk.count("chunks")
    assert 1 == desk.count("checkpoints")
    assert mark(0, 29) == fingerprint(desk.db, 0, 29)


def test_repeats_go_with_the_window(desk: Desk) -> None:
    """However long events are kept, only the window of keys is."""
    desk.fill(range(SLICE + 100))
    desk.retain(LOOSE)
    desk.retain(LOOSE)
    assert 5 == desk.count("repeats")
    assert SLICE + 100 == desk.count("chunks")


def test_a_young_event_keeps_what_came_behind_it(desk: Desk) -> None:
    """A clock that was set back makes events live longer; it never tears a hole."""
    desk.fill(range(3), at=1.0)
    desk.fill(range(3, 4), at=100.0)
    desk.fill(range(4, 6), at=1.0)
    assert {"a": Floor(Place(0, 2), mark(0, 2))} == desk.retain(LOOSE._replace(max_age_seconds=10), now=50.0)
    assert [3, 4, 5] == desk.held()


def test_a_commit_larger_than_the_bound_stays(desk: Desk) -> None:
    """The newest events a project has are never dropped for being many, and it is looked at once, not for ever."""
    write(desk.db, desk.ledger, commit([said("a", 1, item=item) for item in range(30)]), max_rejected=9)
    assert {} == desk.retain(LOOSE._replace(max_events_per_project=10))
    assert set() == desk.ledger.crowded


def test_many_crowds_are_looked_at_in_slices(desk: Desk) -> None:
    """As bounded as the dropping: the others come next time."""
    for offset in range(SLICE + 10):
        entries = [said(f"p{offset}", offset, item=item) for item in range(11)]
        write(desk.db, desk.ledger, commit(entries), max_rejected=9)
    desk.retain(LOOSE._replace(max_events_per_project=10))
    assert 10 == len(desk.ledger.crowded)


def test_forgotten_projects_leave_the_highest_of_their_floors(desk: Desk) -> None:
    """One floor stands for all of them, and it does not sink."""
    write(desk.db, desk.ledger, commit([said("z", 0, at=1.0)], floor=Floor(Place(0, 1))), max_rejected=9)
    for offset, project in ((5, "b"), (9, "a"), (12, "c")):
        at = 500.0 if project == "c" else 1.0
        write(desk.db, desk.ledger, commit([said(project, offset, at=at)]), max_rejected=9)
    idle = commit(position=(0, 12), projects=[row("idle", Place(0, 7), updated_at=2.0)])
    write(desk.db, desk.ledger, idle, max_rejected=9)
    raised = desk.retain(LOOSE._replace(max_age_seconds=10), now=400.0)
    assert Floor(Place(0, 9), mark(0, 9)) == raised[None] == desk.ledger.floor
    assert {"c"} == set(desk.ledger.numbers)
