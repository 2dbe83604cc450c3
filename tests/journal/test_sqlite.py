import asyncio
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relayd.journal.sqlite import SqliteJournal
from relayd.testing.journal import JournalContract
from relayd.testing.journal_words import LIMITS, LOG, Limits, commit, refused, said

WRITER = """
import asyncio, sys
from pathlib import Path
from relayd.journal.sqlite import SqliteJournal
from relayd.ports import JournalError
from relayd.testing.journal_words import LIMITS, LOG, commit, said

async def main():
    journal = SqliteJournal(Path(sys.argv[1]), synchronous="full", **(LIMITS | {"max_events_per_project": 10**6}))
    try:
        await journal.open(LOG, window=1)
    except JournalError as error:
        print(error)
        return
    for offset in range(1_000_000):
        await journal.commit(commit([said("a", offset, item=item) for item in range(3)]))
        print(offset, flush=True)

asyncio.run(main())
"""
"""Another relay on the same file; it tells each commit that it was promised."""


def on_disk(folder: Path, limits: Limits = LIMITS) -> SqliteJournal:
    """Return a journal in a folder."""
    return SqliteJournal(folder / "deep" / "journal.db", synchronous="normal", **limits)


class TestSqliteJournal(JournalContract):
    """The journal on disk keeps the contract."""

    @pytest.fixture
    async def journal(self, tmp_path: Path) -> AsyncIterator[SqliteJournal]:
        journal = on_disk(tmp_path)
        yield journal
        await journal.close()


# -- crashes and other people's files ------------------------------------------------------------------------------


async def contiguous(journal: SqliteJournal) -> int:
    """Return the offset up to which a journal of `WRITER` holds everything; fails if there is a hole."""
    recovered = await journal.open(LOG, window=1)
    assert recovered.position is not None
    found = await journal.read("a", limit=10**6)
    assert [(offset, item) for offset in range(recovered.position.offset + 1) for item in range(3)] == [
        one.place[1:3] for one in found
    ]
    await journal.close()
    return recovered.position.offset


async def test_a_killed_process_leaves_what_it_was_promised(tmp_path: Path) -> None:
    """Position and events agree, and no commit that returned is missing."""
    journal = on_disk(tmp_path)
    with subprocess.Popen(  # noqa: ASYNC220 - the loop has nothing else to do
        [sys.executable, "-c", WRITER, str(tmp_path / "deep" / "journal.db")], stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        told = [int(writer.stdout.readline()) for _ in range(20)]
        assert "in use by process" in await refused(journal.open(LOG, window=1))
        writer.send_signal(signal.SIGKILL)
        told += [int(line) for line in writer.stdout.read().splitlines()]
    assert told[-1] <= await contiguous(journal)


async def test_a_copy_of_the_open_files_is_consistent(tmp_path: Path) -> None:
    """A backup of file and write-ahead log, or a machine that loses power, shows whole commits."""
    journal = on_disk(tmp_path)
    await journal.open(LOG, window=1)
    for offset in range(10):
        await journal.commit(commit([said("a", offset, item=item) for item in range(3)]))
    (tmp_path / "copy" / "deep").mkdir(parents=True)
    for name in ("journal.db", "journal.db-wal"):
        shutil.copy(tmp_path / "deep" / name, tmp_path / "copy" / "deep" / name)
    await journal.close()
    assert await contiguous(on_disk(tmp_path / "copy")) == 9


@pytest.mark.parametrize("clean", [True, False])
async def test_damage_is_looked_for_after_an_unclean_stop(tmp_path: Path, *, clean: bool) -> None:
    """A file that was closed in order opens at once, however large it is."""
    journal = on_disk(tmp_path)
    await journal.open(LOG, window=1)
    for offset in range(30):
        await journal.commit(commit([said("a", offset, text="x" * 3000)]))
    source = tmp_path / "deep" / "journal.db"
    (tmp_path / "copy" / "deep").mkdir(parents=True)
    copy = tmp_path / "copy" / "deep" / "journal.db"
    if clean:
        await journal.close()
    else:
        assert journal._opened is not None
        await journal._opened.writer.run(lambda db: db.execute("PRAGMA wal_checkpoint(TRUNCATE)"))
    content = bytearray(source.read_bytes())
    content[4096 * 20 : 4096 * 22] = b"rot!" * 2048
    copy.write_bytes(content)
    await journal.close()
    other = on_disk(tmp_path / "copy")
    if clean:
        await other.open(LOG, window=1)
        await other.close()
    else:
        assert "damaged" in await refused(other.open(LOG, window=1))


async def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """Two relays on one file would each miss what the other read."""
    journal = on_disk(tmp_path)
    await journal.open(LOG, window=1)
    second = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(tmp_path / "deep" / "journal.db"), stdout=subprocess.PIPE
    )
    said_last, _ = await second.communicate()
    assert "in use by process" in said_last.decode()
    await journal.commit(commit([said("a", 1)]))
    await journal.close()


async def test_what_it_can_not_open_is_left_as_it_was(tmp_path: Path) -> None:
    """A newer file, a stranger's file, a text, a folder that is none: a sentence each, and the lock is free again."""
    path = tmp_path / "deep" / "journal.db"
    path.parent.mkdir()
    for statement, sentence in (
        ("PRAGMA user_version = 99", "run the newer relayd"),
        ("PRAGMA application_id = 1", "another program"),
    ):
        journal = on_disk(tmp_path)
        await journal.open(LOG, window=1)
        await journal.close()
        sqlite3.connect(path).execute(statement).connection.close()
        before = path.read_bytes()
        assert sentence in await refused(journal.open(LOG, window=1))
        assert path.read_bytes() == before
        path.unlink()
    path.write_text("no database\n" * 1000)
    assert "no database" in await refused(on_disk(tmp_path).open(LOG, window=1))
    (tmp_path / "file").write_text("")
    assert "another place" in await refused(on_disk(tmp_path / "file").open(LOG, window=1))


async def test_a_full_disk_is_told_and_survived(tmp_path: Path) -> None:
    """The sentence names the file and the mend; when there is room again the same commit goes through."""
    journal = on_disk(tmp_path)
    await journal.open(LOG, window=1)
    assert journal._opened is not None
    large = commit([said("a", 1, item=item, text="x" * 9000) for item in range(9)])
    await journal._opened.writer.run(lambda db: db.execute("PRAGMA max_page_count = 20"))
    sentence = await refused(journal.commit(large))
    assert str(tmp_path) in sentence
    assert "free space" in sentence
    assert await journal.load("a", newest=1) is None
    await journal._opened.writer.run(lambda db: db.execute("PRAGMA max_page_count = 9999"))
    await journal.commit(large)
    assert len(await journal.read("a", limit=99)) == 9
    await journal.close()


async def test_a_damaged_row_is_told(tmp_path: Path) -> None:
    """It is no surprise of the JSON library's, but a sentence with a mend."""
    journal = on_disk(tmp_path)
    await journal.open(LOG, window=1)
    assert journal._opened is not None
    await journal.commit(commit([said("a", 1)]))
    await journal._opened.writer.run(lambda db: db.execute("UPDATE chunks SET body = CAST('rot' AS BLOB)"))
    assert "a row can't be read" in await refused(journal.read("a", limit=1))
    await journal.close()


async def test_a_cancelled_commit_is_whole(tmp_path: Path) -> None:
    """The caller went away; the transaction did not stop half-way, and the next one finds everything in order."""
    journal = on_disk(tmp_path)
    await journal.open(LOG, window=1)
    caller = asyncio.create_task(journal.commit(commit([said("a", 1)])))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await journal.commit(commit([said("a", 2)]))
    assert [1, 2] == [one.place.offset for one in await journal.read("a", limit=9)]
    await journal.close()
