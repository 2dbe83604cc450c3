import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from relayd.journal.purging import SLICE_BYTES
from relayd.journal.sqlite import SqliteJournal
from relayd.ports import JournalDamaged, ProjectRow
from relayd.protocol.cursor import Place
from relayd.testing.journal_words import LIMITS, LOG, commit, poison, refused, row, said
from relayd.testing.purge_contract import doomed

BIRD = "kanarienvogel"


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    """Give an open journal that drops nothing by itself."""
    journal = SqliteJournal(
        tmp_path / "relayd.db", synchronous="normal", **(LIMITS | {"max_events_per_project": 10**6})
    )
    await journal.open(LOG, window=4)
    yield journal
    await journal.close()


def files_with(folder: Path, text: str = BIRD) -> list[str]:
    """Return the names of the files in which a text stands."""
    return sorted(path.name for path in folder.iterdir() if text.encode() in path.read_bytes())


def leave_remnants(path: Path) -> None:
    """Bring the log to the file, and leave in it what was deleted, as builds of SQLite do that don't overwrite it."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA secure_delete = OFF")
    for number in range(10):
        db.execute(
            "INSERT INTO rejected (number, cursor, epoch, offset, item, part, reason, detail, headers, body,"
            " received_at, truncated) VALUES (?, '', 0, 0, 0, 0, '', ?, '{}', ?, 0, 0)",
            (10**6 + number, BIRD, BIRD.encode() * 400),
        )
    db.execute("DELETE FROM rejected WHERE number >= 1000000")
    db.execute("UPDATE sqlite_sequence SET seq = (SELECT max(number) FROM rejected)")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


async def test_no_byte_stays(journal: SqliteJournal, tmp_path: Path) -> None:
    """In the file, its write-ahead log, free pages, states that were written over, rejected events that made room."""
    for offset in range(60):
        state = replace(row("a", Place(0, offset)), snapshot=f'"{BIRD} {"x" * 97 * (offset % 7)}"'.encode())
        rejected = [replace(poison(offset), body=BIRD.encode(), detail=BIRD)]
        entries = [said("a", offset, text=f"{BIRD} {'y' * 1_000 * (offset % 5)}"), said("b", offset, item=1)]
        await journal.commit(commit(entries, projects=[state], rejected=rejected))
        if offset % 20 == 10:
            # Now it stands in the file, too, and not in the log of it alone.
            leave_remnants(tmp_path / "relayd.db")
    await journal.commit(commit(projects=[row("a", Place(0, 59))], position=(0, 60)))
    assert ["relayd.db", "relayd.db-wal"] == files_with(tmp_path)

    assert 63 == await journal.purge([doomed("a")])
    assert [] != files_with(tmp_path)
    await journal.scour()
    assert [] == files_with(tmp_path)
    assert 60 == len(await journal.read("b", limit=99))
    await journal.close()
    await journal.open(LOG, window=4)
    await journal.check()
    assert [] == list(await journal.read("a", limit=9))
    with sqlite3.connect(tmp_path / "relayd.db") as db:
        assert [(120,)] == db.execute("SELECT sum(events) FROM chunks").fetchall()
    db.close()


async def test_commits_are_written_between_two_slices(journal: SqliteJournal) -> None:
    """A project of any size keeps nobody waiting for longer than a slice takes."""
    size, count = SLICE_BYTES // 4, 40
    for offset in range(count):
        await journal.commit(commit([said("a", offset, text="x" * size)], projects=[row("a", Place(0, offset))]))
    order: list[str] = []
    slices: list[int] = []

    def state(kept: ProjectRow, payloads: Sequence[bytes]) -> ProjectRow:
        slices.append(len(payloads))
        return kept

    async def purging() -> None:
        assert count == await journal.purge([replace(doomed("a"), state=state)])
        order.append("purged")

    async def committing() -> None:
        await journal.commit(commit([said("b", count)]))
        order.append("committed")

    await asyncio.gather(purging(), committing())
    assert ["committed", "purged"] == order
    assert count == sum(slices)
    assert max(slices) <= 5
    assert [] == list(await journal.read("a", limit=99))
    assert 1 == len(await journal.read("b", limit=99))


async def test_what_is_left_of_a_chunk_is_found_sound(journal: SqliteJournal, tmp_path: Path) -> None:
    """It has a checksum of its own, which still finds a bit that flips."""
    await journal.commit(commit([said("a", 1, item=item, text=f"step {item}") for item in range(3)]))
    assert 1 == await journal.purge([doomed("a", Place(0, 1, 1, -1), Place(0, 1, 2))])
    assert [0, 2] == [one.place.item for one in await journal.read("a", limit=9)]
    with sqlite3.connect(tmp_path / "relayd.db") as db:
        db.execute("UPDATE chunks SET body = replace(body, 'step 2', 'step 3')")
        assert 1 == db.execute("SELECT changes()").fetchone()[0]
        db.execute("UPDATE chunks SET body = CAST(body AS BLOB)")
    db.close()
    with pytest.raises(JournalDamaged):
        await journal.read("a", limit=9)
    with pytest.raises(JournalDamaged):
        await journal.purge([doomed("a")])


async def test_a_reader_that_keeps_the_old_pages_is_told(journal: SqliteJournal, tmp_path: Path) -> None:
    """What it reads still stands in the write-ahead log; once it is done, it can be done again."""
    await journal.commit(commit([said("a", 1, text=BIRD)]))
    reader = sqlite3.connect(tmp_path / "relayd.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM chunks").fetchone()
    await journal.purge([doomed("a")])
    assert "do it again" in await refused(journal.scour())
    reader.close()
    await journal.scour()
    assert [] == files_with(tmp_path)


async def test_what_is_not_whole_is_all_or_nothing(journal: SqliteJournal) -> None:
    """A state that can't be brought in line leaves the events, too."""
    await journal.commit(commit([said("a", 1)], projects=[row("a", Place(0, 1))]))

    def broken(*_: object) -> None:
        raise sqlite3.OperationalError("no more")

    await refused(journal.purge([replace(doomed("a"), state=broken)]))
    assert 1 == len(await journal.read("a", limit=9))
